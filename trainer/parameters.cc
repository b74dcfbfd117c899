#include "trainer/parameters.h"

#include <cassert>

namespace fmserve::trainer {
namespace {

// The interactions of entries of which number i has x = scaled_x(i).
template <typename ScaledX>
double Interactions(const Parameters& parameters, std::span<const Entry> entries,
                    const ScaledX& scaled_x) {
  double interactions = 0.0;
  for (uint32_t f = 0; f < parameters.k; ++f) {
    double sum = 0.0;
    double sum_of_squares = 0.0;
    for (size_t i = 0; i < entries.size(); ++i) {
      const double term = double{parameters.factors(entries[i].row)[f]} * scaled_x(i);
      sum += term;
      sum_of_squares += term * term;
    }
    interactions += 0.5 * (sum * sum - sum_of_squares);
  }
  return interactions;
}

}  // namespace

double Score(const Parameters& parameters, std::span<const Entry> entries,
             std::span<const uint8_t> fields) {
  double score = parameters.w0;
  for (const Entry& entry : entries) score += double{parameters.w[entry.row]} * entry.x;
  if (!parameters.field_matrix) {
    return score +
           Interactions(parameters, entries, [&](size_t i) { return double{entries[i].x}; });
  }
  assert(fields.size() == entries.size());
  const model::FieldMatrix& matrix = *parameters.field_matrix;
  for (uint32_t r = 0; r < matrix.rank; ++r) {
    score += matrix.scales[r] * Interactions(parameters, entries, [&](size_t i) {
               return double{matrix.factors_of(fields[i])[r]} * entries[i].x;
             });
  }
  return score;
}

}  // namespace fmserve::trainer
