#include "model/name_table.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

// Each costs a cache line of the rows and some bytes of the names.
constexpr uint64_t kSlotsPerCheckpoint = kCheckpointBytes / 128;

}  // namespace

uint64_t NameTable::end(uint64_t slot) const {
  uint64_t end;
  std::memcpy(&end, bytes_.data() + slot * sizeof(end), sizeof(end));
  return end;
}

absl::Status NameTable::Check(const RowsView& rows, size_t fields_count,
                              Checkpoint checkpoint) const {
  const uint64_t ends_bytes = slots_count_ * sizeof(uint64_t);
  if (bytes_.size() < ends_bytes) {
    return absl::DataLossError(
        absl::StrCat(bytes_.size(), " bytes cannot hold ", slots_count_, " ends"));
  }
  const std::span<const std::byte> records = bytes_.subspan(ends_bytes);
  uint64_t begin = 0;
  for (uint64_t slot = 0; slot < slots_count_; ++slot) {
    if (slot % kSlotsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    const uint64_t record_end = end(slot);
    if (record_end < begin || record_end > records.size()) {
      return absl::DataLossError(absl::StrCat("slot ", slot, ": the record ends at ", record_end,
                                              ", not from ", begin, " to ", records.size()));
    }
    uint64_t key;
    std::memcpy(&key, rows.row(slot), sizeof(key));
    if ((key == format::kEmptyKey) != (record_end == begin)) {
      return absl::DataLossError(
          absl::StrCat("slot ", slot, ": a full slot without a name, or an empty one with"));
    }
    if (record_end > begin && std::to_integer<size_t>(records[begin]) >= fields_count) {
      return absl::DataLossError(absl::StrCat("slot ", slot, ": field ",
                                              std::to_integer<int>(records[begin]),
                                              " of a schema of ", fields_count, " fields"));
    }
    begin = record_end;
  }
  if (begin != records.size()) {
    return absl::DataLossError(absl::StrCat(records.size() - begin, " bytes left over"));
  }
  return absl::OkStatus();
}

std::optional<FeatureName> NameTable::at(uint32_t slot) const {
  if (slot >= slots_count_) return std::nullopt;
  const uint64_t begin = slot == 0 ? 0 : end(slot - 1);
  const uint64_t size = end(slot) - begin;
  if (size == 0) return std::nullopt;
  const std::byte* const record = bytes_.data() + slots_count_ * sizeof(uint64_t) + begin;
  return FeatureName{.field = std::to_integer<uint8_t>(*record),
                     .value = {reinterpret_cast<const char*>(record + 1), size - 1}};
}

}  // namespace fmserve::model
