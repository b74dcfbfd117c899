#include "tools/generate/zipf.h"

#include <algorithm>
#include <cmath>

namespace fmserve::tools {

ZipfDistribution::ZipfDistribution(size_t size, double exponent) : cumulative_(size) {
  double sum = 0.0;
  for (size_t rank = 0; rank < size; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -exponent);
    cumulative_[rank] = sum;
  }
}

size_t ZipfDistribution::operator()(std::mt19937_64& random) const {
  const double u = std::uniform_real_distribution<double>(0.0, cumulative_.back())(random);
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), u);
  return std::min(static_cast<size_t>(found - cumulative_.begin()), cumulative_.size() - 1);
}

}  // namespace fmserve::tools
