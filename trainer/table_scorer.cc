#include "trainer/table_scorer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {

absl::StatusOr<std::unique_ptr<TableScorer>> TableScorer::Create(
    std::shared_ptr<const model::WeightFile> file) {
  const absl::StatusOr<const model::KernelTable*> kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  return std::unique_ptr<TableScorer>(new TableScorer(std::move(file), **kernels));
}

absl::StatusOr<float> TableScorer::Score(std::span<const std::string_view> cells) {
  if (absl::Status status = encoder_.Encode(cells); !status.ok()) return status;
  scorer_.ScoreContext(encoder_.context(), scratch_);
  const auto length = static_cast<uint32_t>(encoder_.item().size());
  float score = 0.0F;
  scorer_.ScoreCandidates(encoder_.item(), {&length, 1}, scratch_, {&score, 1});
  return score;
}

absl::StatusOr<model::Explanation> TableScorer::Explain(std::span<const std::string_view> cells) {
  if (absl::Status status = encoder_.Encode(cells); !status.ok()) return status;
  return scorer_.Explain(encoder_.context(), encoder_.item());
}

absl::StatusOr<GoldenReport> CheckGoldens(TableScorer& scorer) {
  GoldenReport report;
  for (const model::Golden& golden : scorer.file().goldens()) {
    const std::vector<std::string_view> cells(golden.cells.begin(), golden.cells.end());
    const absl::StatusOr<float> score = scorer.Score(cells);
    if (!score.ok()) {
      return absl::DataLossError(
          absl::StrCat("golden ", report.goldens, ": ", std::string(score.status().message())));
    }
    const double error = std::abs(*score - golden.score) / std::max(1.0, std::abs(golden.score));
    if (!(error <= kGoldenTolerance)) {
      return absl::DataLossError(absl::StrCat("golden ", report.goldens, ": the score is ", *score,
                                              " where the trainer computed ", golden.score));
    }
    report.max_error = std::max(report.max_error, error);
    ++report.goldens;
  }
  return report;
}

}  // namespace fmserve::trainer
