#include "trainer/measure.h"

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

// Mean and variance in one pass (Welford 1962).
class Moments {
 public:
  void Add(double value) {
    ++count_;
    const double delta = value - mean_;
    mean_ += delta / static_cast<double>(count_);
    squares_ += delta * (value - mean_);
  }
  double mean() const { return mean_; }
  double stddev() const {
    return count_ == 0 ? 0.0 : std::sqrt(squares_ / static_cast<double>(count_));
  }

 private:
  uint64_t count_ = 0;
  double mean_ = 0.0;
  double squares_ = 0.0;
};

}  // namespace

absl::StatusOr<model::FeatureSchema> MeasureFields(
    const std::string& path, const TrainingSchema& schema,
    const std::function<void(uint64_t rows)>& progress) {
  if (schema.fields_to_measure.empty()) return schema.features;
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::Open(path, schema, Labels::kOptional);
  if (!reader.ok()) return reader.status();
  std::vector<Moments> moments(schema.features.size());
  Row row;
  for (uint64_t rows = 1;; ++rows) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) break;
    for (const size_t field : schema.fields_to_measure) {
      if (row.cells[field].empty()) continue;
      const std::optional<double> value = model::ParseNumber(row.cells[field]);
      // As the encoder: values are floats.
      if (!value || std::isinf(static_cast<float>(*value))) {
        return absl::InvalidArgumentError(
            absl::StrCat((*reader)->Where(), ": field '", schema.features.field(field).name,
                         "': ", model::Quote(row.cells[field]), " is not a finite number"));
      }
      if (!std::isnan(*value)) moments[field].Add(*value);
    }
    if (progress && rows % 16384 == 0) progress(rows);
  }

  std::vector<model::Field> fields;
  for (size_t i = 0; i < schema.features.size(); ++i) fields.push_back(schema.features.field(i));
  for (const size_t field : schema.fields_to_measure) {
    fields[field].mean = moments[field].mean();
    fields[field].stddev = moments[field].stddev();
    if (fields[field].stddev <= 0.0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": field '", fields[field].name,
                       "' cannot be standardised: it has no two different values"));
    }
  }
  return model::FeatureSchema::Create(std::move(fields));
}

}  // namespace fmserve::trainer
