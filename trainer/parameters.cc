#include "trainer/parameters.h"

namespace fmserve::trainer {

double Score(const Parameters& parameters, std::span<const Entry> entries) {
  double score = parameters.w0;
  for (const Entry& entry : entries) score += double{parameters.w[entry.row]} * entry.x;
  for (uint32_t f = 0; f < parameters.k; ++f) {
    double sum = 0.0;
    double sum_of_squares = 0.0;
    for (const Entry& entry : entries) {
      const double term = double{parameters.factors(entry.row)[f]} * entry.x;
      sum += term;
      sum_of_squares += term * term;
    }
    score += 0.5 * (sum * sum - sum_of_squares);
  }
  return score;
}

}  // namespace fmserve::trainer
