#include "trainer/plain_scorer.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "model/quantization.h"
#include "model/row_layout.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {

absl::Status PlainScorer::Gather(uint64_t key, uint8_t field, float x) {
  if (!table_.Find(key, row_) && !table_.Find(schema_.rare_key(field), row_))
    return absl::OkStatus();
  const auto k = static_cast<uint32_t>(row_.v.size());
  encoded_.resize(model::RowStrideBytes(quantization_, k));
  if (absl::Status status = model::EncodeRow(quantization_, row_.key, row_.w, row_.v, encoded_);
      !status.ok()) {
    return status;
  }
  model::DecodeRow(quantization_, encoded_.data(), row_.v);
  entries_.push_back({static_cast<uint32_t>(gathered_.rows()), x});
  fields_.push_back(field);
  gathered_.k = k;
  gathered_.w.push_back(row_.w);
  gathered_.v.insert(gathered_.v.end(), row_.v.begin(), row_.v.end());
  return absl::OkStatus();
}

absl::StatusOr<double> PlainScorer::Score(std::span<const std::string_view> cells) {
  if (absl::Status status = encoder_.Encode(cells); !status.ok()) return status;
  gathered_.w0 = table_.w0();
  gathered_.w.clear();
  gathered_.v.clear();
  entries_.clear();
  fields_.clear();
  const model::FeatureSpan features = encoder_.all();
  for (size_t i = 0; i < features.size(); ++i) {
    if (absl::Status status = Gather(features.keys[i], features.fields[i], features.xs[i]);
        !status.ok()) {
      return status;
    }
  }
  return trainer::Score(gathered_, entries_, fields_);
}

absl::StatusOr<Metrics> MeasureTable(PlainScorer& scorer, const model::WeightInfo& info,
                                     const std::string& path, const TrainingSchema& layout) {
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::Open(path, layout, Labels::kRequired);
  if (!reader.ok()) return reader.status();
  std::vector<float> predictions;
  std::vector<float> labels;
  std::vector<float> weights;
  Row row;
  while (true) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return ComputeMetrics(info.task, predictions, labels, weights);
    const absl::StatusOr<double> score = scorer.Score(row.cells);
    if (!score.ok()) {
      return absl::Status(score.status().code(),
                          absl::StrCat((*reader)->Where(), ": ", score.status().message()));
    }
    predictions.push_back(static_cast<float>(model::Predict(info, *score)));
    labels.push_back(*row.label);
    weights.push_back(row.weight);
  }
}

}  // namespace fmserve::trainer
