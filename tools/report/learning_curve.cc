#include "tools/report/learning_curve.h"

#include <cerrno>
#include <cmath>
#include <fstream>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "tools/json_output.h"
#include "tools/table_model.h"

namespace fmserve::tools {
namespace {

constexpr size_t kMaxCurveFileBytes = size_t{16} << 20;
constexpr uint32_t kMaxEpochsRead = 10'000;  // each is looked for in all of the metadata

// What a training of a regression lowers is half the squared error.
double ShownTrainLoss(model::Task task, double loss) {
  return task == model::Task::kBinary ? loss : std::sqrt(2.0 * loss);
}

std::optional<double> NumberOf(const model::WeightFile& file, const std::string& name) {
  return model::ParseNumber(FindMetadata(file, name));
}

void LimitEpochs(std::vector<LearningEpoch>& epochs) {
  const size_t step = (epochs.size() + kMaxCurveEpochs - 1) / kMaxCurveEpochs;
  if (step <= 1) return;
  size_t kept = 0;
  for (size_t i = 0; i < epochs.size(); i += step) epochs[kept++] = epochs[i];
  epochs.resize(kept);
}

absl::StatusOr<std::string> ReadCurveFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  std::string text(kMaxCurveFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad()) return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  if (text.size() <= kMaxCurveFileBytes) return text;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": over ", kMaxCurveFileBytes, " bytes; this is no output of fm train"));
}

// Nothing if it is not an epoch.
std::optional<LearningEpoch> ParseEpoch(const Json& json, model::Task task) {
  if (!json.is_object()) return std::nullopt;
  const auto epoch = json.find("epoch");
  const auto train = json.find("train_loss");
  if (epoch == json.end() || !epoch->is_number_unsigned() || train == json.end() ||
      !train->is_number()) {
    return std::nullopt;
  }
  LearningEpoch parsed{.epoch = epoch->get<uint32_t>(),
                       .train_loss = ShownTrainLoss(task, train->get<double>()),
                       .valid_loss = {}};
  const auto valid = json.find("valid_loss");
  if (valid != json.end() && valid->is_number()) parsed.valid_loss = valid->get<double>();
  return parsed;
}

}  // namespace

LearningCurve LearningCurveOf(const model::WeightFile& file) {
  LearningCurve curve;
  for (uint32_t epoch = 1; epoch <= kMaxEpochsRead; ++epoch) {
    const std::string prefix = absl::StrCat("metric.epoch.", epoch, ".");
    const std::optional<double> train = NumberOf(file, prefix + "train.loss");
    if (!train || !std::isfinite(*train)) break;
    curve.epochs.push_back({.epoch = epoch,
                            .train_loss = ShownTrainLoss(file.info().task, *train),
                            .valid_loss = NumberOf(file, prefix + "valid.loss")});
  }
  LimitEpochs(curve.epochs);
  const std::optional<int64_t> best = model::ParseInteger(FindMetadata(file, "metric.best_epoch"));
  if (best && *best > 0 && *best <= UINT32_MAX) curve.best_epoch = static_cast<uint32_t>(*best);
  return curve;
}

absl::StatusOr<LearningCurve> ReadLearningCurve(const std::string& path, model::Task task) {
  const absl::StatusOr<std::string> text = ReadCurveFile(path);
  if (!text.ok()) return text.status();
  const Json json = Json::parse(*text, nullptr, false);
  const auto wrong = [&path](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", std::string(what), "; give it what fm train --json printed"));
  };
  if (!json.is_object()) return wrong("not a JSON object");
  const auto list = json.find("curve");
  if (list == json.end() || !list->is_array()) return wrong("no list \"curve\" in it");
  LearningCurve curve;
  for (const Json& item : *list) {
    const std::optional<LearningEpoch> epoch = ParseEpoch(item, task);
    if (!epoch) return wrong("an element of \"curve\" has no epoch or no train_loss");
    curve.epochs.push_back(*epoch);
  }
  LimitEpochs(curve.epochs);
  const auto best = json.find("best_epoch");
  if (best != json.end() && best->is_number_unsigned()) curve.best_epoch = best->get<uint32_t>();
  return curve;
}

}  // namespace fmserve::tools
