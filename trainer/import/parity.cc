#include "trainer/import/parity.h"

#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "model/weight_file.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"
#include "trainer/row_encoder.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

// Sums of squares of rows that are meant to be equal differ by rounding.
constexpr double kNormTolerance = 1e-4;

class Predictions {
 public:
  static absl::StatusOr<Predictions> Open(const std::string& path) {
    absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
    if (!input.ok()) return input.status();
    return Predictions(LineReader(path, *std::move(input)));
  }

  // False at the end.
  absl::StatusOr<bool> Next(double* prediction) {
    std::span<char> line;
    do {
      const absl::StatusOr<bool> more = lines_.Next(&line);
      if (!more.ok() || !*more) return more;
    } while (line.empty());
    std::string_view text(line.data(), line.size());
    text.remove_suffix(text.size() - (text.find_last_not_of(" \t") + 1));
    const size_t before = text.find_last_of(" \t");
    const std::string_view word = before == std::string_view::npos ? text : text.substr(before + 1);
    const std::optional<double> number = model::ParseNumber(word);
    if (!number || !std::isfinite(*number)) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines_.Where(), ": ", model::Quote(word), " is not a finite number"));
    }
    *prediction = *number;
    return true;
  }

 private:
  explicit Predictions(LineReader lines) : lines_(std::move(lines)) {}

  LineReader lines_;
};

// Tells rows that xLearn would not have scaled by the norm that is part of the weights.
class NormCheck {
 public:
  NormCheck(const ImportedRows& rows, const model::FeatureSchema& schema, double norm)
      : rows_(rows), schema_(schema), norm_(norm), encoder_(schema) {}

  absl::StatusOr<bool> Fits(std::span<const std::string_view> cells) {
    if (absl::Status status = encoder_.Encode(cells); !status.ok()) return status;
    const model::FeatureSpan features = encoder_.all();
    double sum = 0.0;
    for (size_t i = 0; i < features.size(); ++i) {
      // What stands for a missing value was no feature to xLearn, unless the map says so.
      const bool counts = features.keys[i] != schema_.missing_key(features.fields[i]) ||
                          rows_.Find(features.keys[i], row_);
      if (counts) sum += double{features.xs[i]} * features.xs[i];
    }
    return std::abs(sum - norm_) <= kNormTolerance * norm_;
  }

 private:
  const ImportedRows& rows_;
  const model::FeatureSchema& schema_;
  const double norm_;
  RowEncoder encoder_;
  FeatureRow row_;
};

void Compare(double ours, double theirs, uint64_t line, ParityReport& report) {
  const double difference = std::abs(ours - theirs);
  ++report.rows;
  report.mean_difference +=
      (difference - report.mean_difference) / static_cast<double>(report.rows);
  if (difference < report.max_difference) return;
  report.max_difference = difference;
  report.worst_line = line;
  report.worst_ours = ours;
  report.worst_theirs = theirs;
}

absl::Status Uneven(const ParityInput& input, const ParityReport& report, bool more_predictions) {
  return absl::InvalidArgumentError(
      absl::StrCat(input.predictions, " has ", more_predictions ? "more than " : "only ",
                   report.rows, " predictions for the rows of ", input.data));
}

}  // namespace

absl::StatusOr<ParityReport> CheckParity(PlainScorer& scorer, const ImportedRows& rows,
                                         const Prediction& prediction, const TrainingSchema& layout,
                                         const ParityInput& input) {
  absl::StatusOr<Predictions> predictions = Predictions::Open(input.predictions);
  if (!predictions.ok()) return predictions.status();
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::Open(input.data, layout, Labels::kOptional);
  if (!reader.ok()) return reader.status();
  model::WeightInfo info;
  info.task = prediction.task;
  info.link = prediction.link;
  info.calibration = prediction.calibration;
  const bool check_norm = input.norm && *input.norm > 0;
  NormCheck norm_check(rows, layout.features, input.norm.value_or(0.0));
  ParityReport report;
  for (Row row;;) {
    double theirs = 0.0;
    const absl::StatusOr<bool> has_row = (*reader)->Next(&row);
    if (!has_row.ok()) return has_row.status();
    const absl::StatusOr<bool> has_prediction = predictions->Next(&theirs);
    if (!has_prediction.ok()) return has_prediction.status();
    if (*has_row != *has_prediction) return Uneven(input, report, *has_prediction);
    if (!*has_row) break;
    const absl::StatusOr<double> score = scorer.Score(row.cells);
    const absl::StatusOr<bool> fits =
        check_norm && score.ok() ? norm_check.Fits(row.cells) : absl::StatusOr<bool>(true);
    if (!score.ok() || !fits.ok()) {
      const absl::Status& status = score.ok() ? fits.status() : score.status();
      return absl::Status(status.code(),
                          absl::StrCat((*reader)->Where(), ": ", std::string(status.message())));
    }
    if (!*fits) ++report.rows_of_other_norm;
    Compare(input.scores ? *score : model::Predict(info, *score), theirs, row.line, report);
  }
  if (report.rows > 0) return report;
  return absl::InvalidArgumentError(absl::StrCat(input.data, ": there are no rows"));
}

}  // namespace fmserve::trainer
