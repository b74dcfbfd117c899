// Ranks with the skew of real identifiers: few are seen all the time, most hardly ever.
#ifndef FMSERVE_TOOLS_GENERATE_ZIPF_H_
#define FMSERVE_TOOLS_GENERATE_ZIPF_H_

#include <cstddef>
#include <random>
#include <vector>

namespace fmserve::tools {

// Rank r in [0, size) with probability proportional to 1 / (r + 1)^exponent (Zipf). Immutable;
// O(log size) per draw.
class ZipfDistribution {
 public:
  // size >= 1; exponent 0 is the uniform distribution.
  ZipfDistribution(size_t size, double exponent);

  size_t operator()(std::mt19937_64& random) const;

 private:
  std::vector<double> cumulative_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_GENERATE_ZIPF_H_
