// Random numbers that depend on a seed and a key alone, not on what was drawn before.
#ifndef FMSERVE_TRAINER_KEYED_RANDOM_H_
#define FMSERVE_TRAINER_KEYED_RANDOM_H_

#include <cstdint>
#include <limits>

#include "model/dictionary.h"

namespace fmserve::trainer {

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), another stream for each seed and key.
class KeyedRandom {
 public:
  using result_type = uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  KeyedRandom(uint64_t seed, uint64_t key)
      : state_(model::DictionaryHash::Mix(key + model::DictionaryHash::Mix(seed))) {}

  result_type operator()() { return model::DictionaryHash::Mix(state_ += 0x9e3779b97f4a7c15); }

 private:
  uint64_t state_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_KEYED_RANDOM_H_
