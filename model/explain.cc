// Scorer::Explain: the definition of the score, term by term.
#include <cstring>
#include <optional>

#include "model/quantization.h"
#include "model/scorer.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

// x times a row: what a feature brings to a score.
struct Contribution {
  size_t field = 0;
  double linear = 0.0;
  std::vector<double> v;  // empty without a row
};

Contribution ContributionOf(const RowsView& rows, uint32_t slot, size_t field, double x) {
  if (slot == kNoSlot) return {};
  format::RowPrefix prefix;
  std::memcpy(&prefix, rows.row(slot), sizeof(prefix));
  std::vector<float> decoded(rows.k);
  DecodeRow(rows.quantization, rows.row(slot), decoded);
  Contribution contribution{
      .field = field, .linear = prefix.w * x, .v = {decoded.begin(), decoded.end()}};
  for (double& value : contribution.v) value *= x;
  return contribution;
}

double Interaction(const std::optional<FieldMatrix>& matrix, const Contribution& a,
                   const Contribution& b) {
  if (a.v.empty() || b.v.empty()) return 0.0;
  double sum = 0.0;
  for (size_t f = 0; f < a.v.size(); ++f) sum += a.v[f] * b.v[f];
  return matrix ? matrix->Weight(a.field, b.field) * sum : sum;
}

}  // namespace

Explanation Scorer::Explain(FeatureSpan context, FeatureSpan candidate) const {
  Explanation explanation;
  explanation.w0 = file_->info().w0;
  explanation.score = explanation.w0;
  std::vector<Contribution> contributions;
  for (const FeatureSpan& side : {context, candidate}) {
    for (size_t i = 0; i < side.size(); ++i) {
      const uint32_t own_slot = file_->dictionary().Find(side.keys[i]);
      explanation.known.push_back(own_slot != kNoSlot);
      const uint32_t slot = own_slot != kNoSlot ? own_slot : rare_slots_[side.fields[i]];
      contributions.push_back(ContributionOf(file_->rows(), slot, side.fields[i], side.xs[i]));
    }
  }
  const auto features = static_cast<uint32_t>(contributions.size());
  for (uint32_t j = 0; j < features; ++j) {
    explanation.terms.push_back({j, contributions[j].linear});
    explanation.score += contributions[j].linear;
  }
  for (uint32_t i = 0; i < features; ++i) {
    for (uint32_t j = i + 1; j < features; ++j) {
      const double interaction =
          Interaction(file_->field_matrix(), contributions[i], contributions[j]);
      explanation.pairs.push_back({i, j, interaction});
      explanation.score += interaction;
    }
  }
  return explanation;
}

}  // namespace fmserve::model
