// Which row of the base stands behind each slot of the result: what writer and reader of a delta
// must agree on to the last slot. Internal to model/.
#ifndef FMSERVE_MODEL_DELTA_ORIGINS_H_
#define FMSERVE_MODEL_DELTA_ORIGINS_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/weight_file.h"

namespace fmserve::model {

// The dictionary of the result. At least one pilot and one slot.
struct ResultOrder {
  uint64_t seed = 0;
  uint64_t slots_count = 0;
  std::span<const uint16_t> pilots;
};

// The order of a file.
ResultOrder OrderOf(const WeightFile& file);

class RowOrigins {
 public:
  // `removed`: slots of the base without a place in the result, ascending. DataLoss when two others
  // belong to one slot; errors of `checkpoint`. 4 bytes of memory per slot of the result, none when
  // it has the order of the base.
  static absl::StatusOr<RowOrigins> Create(const WeightFile& base, const ResultOrder& order,
                                           std::span<const uint32_t> removed,
                                           Checkpoint checkpoint);

  // The slot of the base, or kNoSlot. `slot` < slots_count of the result.
  uint32_t at(uint64_t slot) const {
    return same_order_ ? static_cast<uint32_t>(slot) : origins_[slot];
  }

 private:
  bool same_order_ = false;
  std::vector<uint32_t> origins_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_DELTA_ORIGINS_H_
