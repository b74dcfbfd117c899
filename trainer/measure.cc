#include "trainer/measure.h"

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/parallel_chunks.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

// Mean and variance in one pass (Welford 1962), also of parts (Chan, Golub and LeVeque 1979).
class Moments {
 public:
  void Add(double value) {
    count_ += 1.0;
    const double delta = value - mean_;
    mean_ += delta / count_;
    squares_ += delta * (value - mean_);
  }
  void Add(const Moments& other) {
    if (other.count_ == 0.0) return;
    const double count = count_ + other.count_;
    const double delta = other.mean_ - mean_;
    mean_ += delta * other.count_ / count;
    squares_ += other.squares_ + delta * delta * count_ * other.count_ / count;
    count_ = count;
  }

  // Becomes the moments of what all ranks have added.
  absl::Status Unite(Ranks& ranks) {
    if (ranks.size() == 1) return absl::OkStatus();  // to the last bit
    double sums[] = {count_, count_ * mean_};
    absl::Status status = ranks.SumInPlace(std::span<double>(sums));
    if (!status.ok() || sums[0] == 0.0) return status;
    const double mean = sums[1] / sums[0];
    squares_ += count_ * (mean_ - mean) * (mean_ - mean);
    count_ = sums[0];
    mean_ = mean;
    return ranks.SumInPlace(std::span<double>(&squares_, 1));
  }

  double mean() const { return mean_; }
  double stddev() const { return count_ == 0.0 ? 0.0 : std::sqrt(squares_ / count_); }

 private:
  double count_ = 0.0;
  double mean_ = 0.0;
  double squares_ = 0.0;
};

struct MeasuredChunk {
  uint64_t rows = 0;
  std::vector<Moments> moments;  // by field
};

absl::StatusOr<MeasuredChunk> MeasureChunk(Chunk chunk, const TrainingSchema& schema) {
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::OpenChunk(std::move(chunk), schema, Labels::kOptional);
  if (!reader.ok()) return reader.status();
  MeasuredChunk measured{.rows = 0, .moments = std::vector<Moments>(schema.features.size())};
  Row row;
  for (;; ++measured.rows) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return measured;
    for (const size_t field : schema.fields_to_measure) {
      if (row.cells[field].empty()) continue;
      const std::optional<double> value = model::ParseNumber(row.cells[field]);
      // As the encoder: values are floats.
      if (!value || std::isinf(static_cast<float>(*value))) {
        return absl::InvalidArgumentError(
            absl::StrCat((*reader)->Where(), ": field '", schema.features.field(field).name,
                         "': ", model::Quote(row.cells[field]), " is not a finite number"));
      }
      if (!std::isnan(*value)) measured.moments[field].Add(*value);
    }
  }
}

}  // namespace

absl::StatusOr<model::FeatureSchema> MeasureFields(
    const RowShard& shard, const TrainingSchema& schema, uint32_t threads, Ranks& ranks,
    const std::function<void(uint64_t rows)>& progress) {
  if (schema.fields_to_measure.empty()) return schema.features;
  std::vector<Moments> moments(schema.features.size());
  uint64_t rows = 0;
  const absl::Status status = ParallelChunks(
      shard, schema, threads, [&](Chunk chunk) { return MeasureChunk(std::move(chunk), schema); },
      [&](const MeasuredChunk& chunk) {
        for (const size_t field : schema.fields_to_measure)
          moments[field].Add(chunk.moments[field]);
        rows += chunk.rows;
        if (progress) progress(rows);
      });
  if (!status.ok()) return status;

  std::vector<model::Field> fields;
  for (size_t i = 0; i < schema.features.size(); ++i) fields.push_back(schema.features.field(i));
  for (const size_t field : schema.fields_to_measure) {
    if (absl::Status united = moments[field].Unite(ranks); !united.ok()) return united;
    fields[field].mean = moments[field].mean();
    fields[field].stddev = moments[field].stddev();
    if (fields[field].stddev <= 0.0) {
      return absl::InvalidArgumentError(
          absl::StrCat(shard.files.front().path, ": field '", fields[field].name,
                       "' cannot be standardised: it has no two different values"));
    }
  }
  return model::FeatureSchema::Create(std::move(fields));
}

}  // namespace fmserve::trainer
