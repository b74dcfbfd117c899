// Clicks, or whatever else happened to candidates, by the requests that they belong to.
#ifndef FMSERVE_TOOLS_JOIN_CLICK_TABLE_H_
#define FMSERVE_TOOLS_JOIN_CLICK_TABLE_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/feature_schema.h"

namespace fmserve::tools {

// What names an item in files and messages, as one number: the key of a value (clients.md).
class ItemKeys {
 public:
  ItemKeys() = default;  // any text

  // As values of this field, of which "042" and 42 may be the same.
  ItemKeys(const model::FeatureSchema& schema, size_t field)
      : seed_(schema.seed(field)),
        integer_(schema.field(field).value_type == model::ValueType::kInteger) {}

  // Nothing when the text is no value of the field.
  std::optional<uint64_t> OfText(std::string_view text) const;
  uint64_t OfInteger(int64_t value) const;

 private:
  uint64_t seed_ = 0;
  bool integer_ = false;
};

inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

struct Click {
  uint64_t id_high = 0;  // XXH3 128-bit of the request id
  uint64_t id_low = 0;
  int64_t time_us = kNoTime;  // since 1970
  uint64_t candidate = 0;     // its position, or the key of its item
  bool is_item = false;
  bool matched = false;  // for who joins: the candidate was found,
  bool outside = false;  // but not in time

  auto id() const { return std::pair(id_high, id_low); }
};

// "1763892000", "1763892000.25" (seconds since 1970) or "2026-11-23T10:00:00.25Z" (RFC 3339).
std::optional<absl::Time> ParseTime(std::string_view text);

// In memory, 48 bytes per click: of a request id no more than a hash.
class ClickTable {
 public:
  // Reads a table of tab-separated columns with a header line, also .gz or .zst, in any order:
  // request_id; position, item, or both; and, if there is one, time. A row names its candidate by
  // position (from 0), or, where that is empty, by item. Other columns are ignored. InvalidArgument
  // names file and line of what is none of that.
  static absl::StatusOr<ClickTable> Read(const std::string& path, const ItemKeys& items);

  // The clicks of one request, in the order of the file; the caller may mark them.
  std::span<Click> Find(std::string_view request_id);

  std::span<const Click> all() const { return clicks_; }
  bool has_times() const { return has_times_; }

 private:
  std::vector<Click> clicks_;  // by id
  bool has_times_ = false;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_CLICK_TABLE_H_
