#include "model/delta_origins.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/weight_format.h"

namespace fmserve::model {

ResultOrder OrderOf(const WeightFile& file) {
  format::FileHeader header;
  std::memcpy(&header, file.bytes().data(), sizeof(header));
  ResultOrder order{
      .seed = header.dictionary_seed, .slots_count = header.slots_count, .pilots = {}};
  for (const SectionInfo& section : file.sections()) {
    if (section.type != static_cast<uint32_t>(format::SectionType::kDictionary)) continue;
    const std::span<const std::byte> bytes = file.bytes(section);
    order.pilots = {reinterpret_cast<const uint16_t*>(bytes.data()),
                    bytes.size() / sizeof(uint16_t)};
  }
  return order;
}

absl::StatusOr<RowOrigins> RowOrigins::Create(const WeightFile& base, const ResultOrder& order,
                                              std::span<const uint32_t> removed,
                                              Checkpoint checkpoint) {
  RowOrigins made;
  const ResultOrder before = OrderOf(base);
  made.same_order_ = removed.empty() && before.seed == order.seed &&
                     before.slots_count == order.slots_count &&
                     std::ranges::equal(before.pilots, order.pilots);
  if (made.same_order_) return made;
  made.origins_.assign(order.slots_count, kNoSlot);
  const RowsView& rows = base.rows();
  const uint64_t per_checkpoint = std::max<uint64_t>(1, kCheckpointBytes / rows.stride_bytes);
  for (uint64_t slot = 0; slot < rows.slots_count; ++slot) {
    if (slot % per_checkpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    if (!removed.empty() && removed.front() == slot) {
      removed = removed.subspan(1);
      continue;
    }
    uint64_t key = format::kEmptyKey;
    std::memcpy(&key, rows.row(slot), sizeof(key));
    if (key == format::kEmptyKey) continue;
    const uint64_t hash = DictionaryHash::Mix(key ^ order.seed);
    const uint16_t pilot = order.pilots[DictionaryHash::Bucket(hash, order.pilots.size())];
    uint32_t& origin = made.origins_[DictionaryHash::Slot(hash, pilot, order.slots_count)];
    if (origin != kNoSlot) {
      return absl::DataLossError(absl::StrCat("the rows of slots ", origin, " and ", slot,
                                              " of the base belong to one slot of the result"));
    }
    origin = static_cast<uint32_t>(slot);
  }
  return made;
}

}  // namespace fmserve::model
