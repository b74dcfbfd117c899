#include "loader/gates_of_metadata.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "model/golden.h"

namespace fmserve::loader {
namespace {

constexpr std::array<const char*, 3> kLosses = {"metric.valid.normalized_entropy",
                                                "metric.valid.logloss", "metric.valid.rmse"};
constexpr char kCalibration[] = "metric.valid.calibration";

GateResult FailMetric(std::string detail) { return {false, "metric", std::move(detail)}; }

// A number above 0; nothing when the file does not tell it.
std::optional<double> Metric(const Snapshot& snapshot, std::string_view name) {
  const model::Metadata& metadata = snapshot.file().metadata();
  const auto found = std::ranges::find(
      metadata, name, [](const auto& entry) { return std::string_view(entry.first); });
  double value = 0.0;
  if (found == metadata.end() || !absl::SimpleAtod(found->second, &value)) return std::nullopt;
  if (!std::isfinite(value) || value <= 0.0) return std::nullopt;
  return value;
}

GateResult CheckLoss(const GateOptions& options, const Snapshot& candidate,
                     const Snapshot& serving) {
  for (const char* const name : kLosses) {
    const std::optional<double> loss = Metric(candidate, name);
    const std::optional<double> serving_loss = Metric(serving, name);
    if (!loss || !serving_loss) continue;
    if (*loss <= *serving_loss * (1.0 + options.max_loss_increase)) return {};
    return FailMetric(absl::StrCat(name, " is ", *loss, ", that of version ", serving.version(),
                                   ", which serves, is ", *serving_loss, ": worse by more than ",
                                   100.0 * options.max_loss_increase, " %"));
  }
  return {};
}

GateResult CheckCalibration(const GateOptions& options, const Snapshot& candidate,
                            const Snapshot& serving) {
  const std::optional<double> calibration = Metric(candidate, kCalibration);
  const std::optional<double> serving_calibration = Metric(serving, kCalibration);
  if (!calibration || !serving_calibration) return {};
  const double ratio = *calibration / *serving_calibration;
  if (std::max(ratio, 1.0 / ratio) <= options.max_calibration_change) return {};
  return FailMetric(absl::StrCat(kCalibration, " is ", *calibration, ", that of version ",
                                 serving.version(), ", which serves, is ", *serving_calibration,
                                 ": they differ by more than a factor of ",
                                 options.max_calibration_change));
}

}  // namespace

GateResult MetricGate(const GateOptions& options, const GateInput& input) {
  const Snapshot& candidate = *input.candidate;
  const bool has_loss = std::ranges::any_of(
      kLosses, [&](const char* name) { return Metric(candidate, name).has_value(); });
  if (input.operator_asked) return {};
  if (!has_loss && options.require_metrics) {
    return FailMetric(
        "the file has none of the trainer's metrics; train it with `--valid`, or set "
        "gates.require_metrics to false");
  }
  if (input.serving == nullptr) return {};
  GateResult result = CheckLoss(options, candidate, *input.serving);
  return result.passed ? CheckCalibration(options, candidate, *input.serving) : result;
}

GateResult CreatedGate(const GateOptions& options, const GateInput& input) {
  if (!options.refuse_older || input.serving == nullptr || input.operator_asked) return {};
  const uint64_t created = input.candidate->file().info().created_unix_us;
  const uint64_t serving_created = input.serving->file().info().created_unix_us;
  if (created == 0 || created >= serving_created) return {};  // 0: the file does not say
  const auto text = [](uint64_t unix_us) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                            absl::FromUnixMicros(static_cast<int64_t>(unix_us)),
                            absl::UTCTimeZone());
  };
  return {false, "age",
          absl::StrCat("the file was made at ", text(created), ", before that of version ",
                       input.serving->version(), ", which serves and was made at ",
                       text(serving_created), "; pin it if you mean it")};
}

}  // namespace fmserve::loader
