// The names section: field and value of the row in each slot, for people. Internal to model/.
//
//   uint64 ends[slots_count]   where the record of each slot ends, counted from the end of this
//   array records                    uint8 field, then the value's bytes; the record of an empty
//   slot is empty
#ifndef FMSERVE_MODEL_NAME_TABLE_H_
#define FMSERVE_MODEL_NAME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "model/checkpoint.h"
#include "model/row_layout.h"

namespace fmserve::model {

// A feature's field and value as the trainer read them.
struct FeatureName {
  uint8_t field = 0;
  std::string_view value;
};

// Unowned view: immutable, safe from any thread. A default one knows no name.
class NameTable {
 public:
  NameTable() = default;

  // `bytes` is 8-byte aligned and must outlive the table. Nothing is checked yet.
  NameTable(std::span<const std::byte> bytes, uint64_t slots_count)
      : bytes_(bytes), slots_count_(slots_count) {}

  // DataLoss when an end goes back or beyond the section, a record belongs to an empty slot or is
  // missing for a full one, or a field is not below `fields_count`; the message names the slot.
  absl::Status Check(const RowsView& rows, size_t fields_count, Checkpoint checkpoint) const;

  // After Check. `slot` < slots_count.
  std::optional<FeatureName> at(uint32_t slot) const;

 private:
  uint64_t end(uint64_t slot) const;

  std::span<const std::byte> bytes_;
  uint64_t slots_count_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_NAME_TABLE_H_
