// What a weight file carries besides weights: example requests with their scores, and how it was
// made.
#ifndef FMSERVE_MODEL_GOLDEN_H_
#define FMSERVE_MODEL_GOLDEN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::model {

// One example as a row of a table: the cells of all fields of the schema in its order, context and
// item, and the score (before link and calibration) that the trainer computed in double precision
// from the rows as they are stored.
struct Golden {
  std::vector<std::string> cells;
  double score = 0.0;

  bool operator==(const Golden&) const = default;
};

// Ordered (name, value) pairs, for people and gates; names are dotted: "data.train.rows",
// "option.k", "metric.valid.logloss", "field.user_id.rows".
using Metadata = std::vector<std::pair<std::string, std::string>>;

inline constexpr uint32_t kMaxGoldens = 10000;
inline constexpr uint32_t kMaxMetadataEntries = 10000;
inline constexpr uint32_t kMaxTextBytes = 1 << 20;  // of one cell, name or value

// The binary forms of the sections (WEIGHT_FORMAT.md). Parse trusts nothing.
std::string SerializeGoldens(const std::vector<Golden>& goldens);
absl::StatusOr<std::vector<Golden>> ParseGoldens(std::string_view bytes);

// InvalidArgument names the first golden that has not a cell for each of `fields_count` fields.
absl::Status CheckCells(const std::vector<Golden>& goldens, size_t fields_count);

std::string SerializeMetadata(const Metadata& metadata);
absl::StatusOr<Metadata> ParseMetadata(std::string_view bytes);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_GOLDEN_H_
