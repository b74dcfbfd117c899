// The most frequent values of a stream, in bounded memory.
#ifndef FMSERVE_TRAINER_REPORT_FREQUENT_VALUES_H_
#define FMSERVE_TRAINER_REPORT_FREQUENT_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace fmserve::trainer {

// Misra and Gries (1982): of n values, each that occurs more than n / (capacity + 1) times is there
// at the end. Counts are then those since a value last came in, less what overflow took off: good
// for an order, not for figures. One thread.
class FrequentValues {
 public:
  // `capacity` >= 1 different values are counted at a time.
  explicit FrequentValues(size_t capacity) : capacity_(capacity) {}

  // Amortised O(1).
  void Add(std::string_view value);

  // The values with the highest counts, highest first, equal ones by their bytes; at most `count`.
  std::vector<std::string> Top(size_t count) const;

 private:
  size_t capacity_;
  absl::flat_hash_map<std::string, uint64_t> counts_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_FREQUENT_VALUES_H_
