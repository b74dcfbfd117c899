// The factorization machine that decides who clicks.
#ifndef FMSERVE_TOOLS_GENERATE_HIDDEN_MODEL_H_
#define FMSERVE_TOOLS_GENERATE_HIDDEN_MODEL_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/feature_list.h"

namespace fmserve::tools {

// Weights of a feature are drawn from normal distributions the first time it is met, by its key and
// the seed alone. One thread.
class HiddenModel {
 public:
  static constexpr int kFactors = 8;

  // Standard deviations of w and of each factor of v.
  struct Spread {
    float linear = 0.0F;
    float factor = 0.0F;
  };

  // spreads[f] is that of field f.
  HiddenModel(uint64_t seed, std::vector<Spread> spreads)
      : seed_(seed), spreads_(std::move(spreads)) {}

  // The sum of the model without w0: linear parts and interactions of all features.
  double Score(const model::FeatureSpan& features);

 private:
  struct Weights {
    float w = 0.0F;
    std::array<float, kFactors> v = {};
  };
  const Weights& WeightsOf(uint64_t key, uint8_t field);

  uint64_t seed_;
  std::vector<Spread> spreads_;
  absl::flat_hash_map<uint64_t, Weights> weights_;
};

// The w0 with which the mean probability of these scores is `ctr`.
double InterceptFor(const std::vector<double>& scores, double ctr);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_GENERATE_HIDDEN_MODEL_H_
