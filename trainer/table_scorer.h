// Scores rows of a table with a weight file, by the code of the server and in its order: the
// context's list, then the item's list as the only candidate. The scores are the server's to the
// last bit.
#ifndef FMSERVE_TRAINER_TABLE_SCORER_H_
#define FMSERVE_TRAINER_TABLE_SCORER_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "model/scorer.h"
#include "model/weight_file.h"
#include "trainer/row_encoder.h"

namespace fmserve::trainer {

// One thread. Does not allocate once it has seen the longest row.
class TableScorer {
 public:
  // FailedPrecondition or InvalidArgument if the kernels that FMSERVE_KERNEL asks for are not to be
  // had.
  static absl::StatusOr<std::unique_ptr<TableScorer>> Create(
      std::shared_ptr<const model::WeightFile> file);

  // One cell per field of the file's schema. InvalidArgument names the field and the value.
  absl::StatusOr<float> Score(std::span<const std::string_view> cells);

  // What a client of the server sees: a probability (binary) or a value (regression).
  float Predict(float score) const { return static_cast<float>(scorer_.Predict(score)); }

  // The same row taken apart; features() are those of the last row scored or explained.
  absl::StatusOr<model::Explanation> Explain(std::span<const std::string_view> cells);
  const RowEncoder& features() const { return encoder_; }

  const model::WeightFile& file() const { return *file_; }

 private:
  TableScorer(std::shared_ptr<const model::WeightFile> file, const model::KernelTable& kernels)
      : file_(std::move(file)), scorer_(*file_, kernels), encoder_(file_->schema()) {}

  std::shared_ptr<const model::WeightFile> file_;
  model::Scorer scorer_;
  model::Scratch scratch_;
  RowEncoder encoder_;
};

struct GoldenReport {
  size_t goldens = 0;
  double max_error = 0.0;  // of |score - golden| / max(1, |golden|)
};

inline constexpr double kGoldenTolerance = 1e-4;

// Scores all goldens of the file. DataLoss names the first that is further off than
// kGoldenTolerance.
absl::StatusOr<GoldenReport> CheckGoldens(TableScorer& scorer);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_TABLE_SCORER_H_
