#include "trainer/row_table.h"

#include <cstring>

#include "model/quantization.h"
#include "model/weight_format.h"

namespace fmserve::trainer {

void FileRows::Read(uint32_t slot, FeatureRow& row) const {
  const model::RowsView& rows = file_->rows();
  model::format::RowPrefix prefix;
  std::memcpy(&prefix, rows.row(slot), sizeof(prefix));
  row.key = prefix.key;
  row.name = file_->name(slot);
  row.count = file_->counts() ? file_->counts()->of_slots[slot] : 0;
  row.w = prefix.w;
  row.v.resize(rows.k);
  model::DecodeRow(rows.quantization, rows.row(slot), row.v);
}

absl::Status FileRows::ForEach(Visit visit) const {
  const model::RowsView& rows = file_->rows();
  FeatureRow row;
  for (uint64_t slot = 0; slot < rows.slots_count; ++slot) {
    uint64_t key = model::format::kEmptyKey;
    std::memcpy(&key, rows.row(slot), sizeof(key));
    if (key == model::format::kEmptyKey) continue;
    Read(static_cast<uint32_t>(slot), row);
    if (absl::Status status = visit(row); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool FileRows::Find(uint64_t key, FeatureRow& row) const {
  const uint32_t slot = file_->dictionary().Find(key);
  if (slot == model::kNoSlot) return false;
  Read(slot, row);
  return true;
}

}  // namespace fmserve::trainer
