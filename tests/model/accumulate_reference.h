// What an accumulate should return, in double precision.
#ifndef FMSERVE_TESTS_MODEL_ACCUMULATE_REFERENCE_H_
#define FMSERVE_TESTS_MODEL_ACCUMULATE_REFERENCE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "model/field_matrix.h"
#include "model/quantization.h"
#include "model/row_layout.h"
#include "model/weight_format.h"

namespace fmserve::model {

struct List {
  std::vector<uint32_t> slots;
  std::vector<float> xs;
  std::vector<uint8_t> fields{};  // for ranked sums

  size_t size() const { return slots.size(); }
};

// The definition of the score, pair by pair in double, and the magnitude M of accumulate.h.
struct Reference {
  double score = 0.0;
  double magnitude = 0.0;
  std::vector<double> sums;
  std::vector<double> sum_magnitudes;
};

// What the interaction of two features is multiplied by, and by which part of it M grows.
struct PairWeight {
  double of_score = 1.0;
  double of_magnitude = 1.0;
};

inline PairWeight PairWeightOf(const FieldMatrix& matrix, size_t field, size_t other) {
  PairWeight weight{.of_score = 0.0, .of_magnitude = 0.0};
  for (uint32_t r = 0; r < matrix.rank; ++r) {
    const double of_rank = double{matrix.scales[r]} * matrix.factors[field * matrix.rank + r] *
                           matrix.factors[other * matrix.rank + r];
    weight.of_score += of_rank;
    weight.of_magnitude += std::abs(of_rank);
  }
  return weight;
}

// With a matrix M is that of all its ranks; the sums are of no rank.
inline Reference ReferenceOf(const RowsView& rows, const List& list,
                             const FieldMatrix* matrix = nullptr) {
  std::vector<std::vector<double>> terms;  // x v
  std::vector<uint8_t> fields;
  Reference reference;
  reference.sums.resize(rows.k);
  reference.sum_magnitudes.resize(rows.k);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list.slots[i] == kNoSlot) continue;
    const double x = list.xs[i];
    format::RowPrefix prefix;
    std::memcpy(&prefix, rows.row(list.slots[i]), sizeof(prefix));
    reference.score += prefix.w * x;
    reference.magnitude += std::abs(prefix.w * x);
    std::vector<float> v(rows.k);
    DecodeRow(rows.quantization, rows.row(list.slots[i]), v);
    std::vector<double>& term = terms.emplace_back(rows.k);
    fields.push_back(matrix != nullptr ? list.fields[i] : uint8_t{0});
    for (uint32_t f = 0; f < rows.k; ++f) {
      term[f] = v[f] * x;
      reference.sums[f] += term[f];
      reference.sum_magnitudes[f] += std::abs(term[f]);
    }
  }
  for (size_t j = 0; j < terms.size(); ++j) {
    for (size_t i = 0; i < j; ++i) {
      const PairWeight weight =
          matrix != nullptr ? PairWeightOf(*matrix, fields[i], fields[j]) : PairWeight{};
      for (uint32_t f = 0; f < rows.k; ++f) {
        reference.score += weight.of_score * terms[i][f] * terms[j][f];
        reference.magnitude += weight.of_magnitude * std::abs(terms[i][f] * terms[j][f]);
      }
    }
  }
  return reference;
}

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_ACCUMULATE_REFERENCE_H_
