#include "trainer/average.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

using Files = std::vector<std::shared_ptr<const model::WeightFile>>;

std::string StartOf(const model::WeightFile& file) {
  for (const auto& [name, value] : file.metadata()) {
    if (name == kStartMetadataName) return value;
  }
  return "";
}

// The fields with one minimum count for all.
std::vector<model::Field> FieldsToCompare(const model::WeightFile& file) {
  std::vector<model::Field> fields = file.schema().fields();
  for (model::Field& field : fields) field.min_count = 1;
  return fields;
}

std::string DifferentFields(const model::WeightFile& first, const model::WeightFile& other) {
  const std::vector<model::Field> a = FieldsToCompare(first);
  const std::vector<model::Field> b = FieldsToCompare(other);
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i]) continue;
    const bool measured = a[i].name == b[i].name && a[i].transform == b[i].transform &&
                          (a[i].mean != b[i].mean || a[i].stddev != b[i].stddev);
    return absl::StrCat("field '", b[i].name, "' differs",
                        measured ? " in mean or stddev; give them in the schema instead of "
                                   "having each log measured"
                                 : "");
  }
  return a.size() == b.size() ? "" : "it has another number of fields";
}

std::string Difference(const model::WeightFile& first, const model::WeightFile& other) {
  const model::WeightInfo& a = first.info();
  const model::WeightInfo& b = other.info();
  if (a.k != b.k) return absl::StrCat("it has k = ", b.k, ", the first ", a.k);
  if (a.task != b.task) return "it is for another task";
  if (a.calibration.kind != b.calibration.kind || a.calibration.scale != b.calibration.scale ||
      a.calibration.offset != b.calibration.offset) {
    return "its calibration differs; average first, then calibrate";
  }
  const std::string fields = DifferentFields(first, other);
  if (!fields.empty() || first.field_matrix() == other.field_matrix()) return fields;
  if (first.field_matrix().has_value() != other.field_matrix().has_value())
    return other.field_matrix() ? "it is field-weighted" : "it is not field-weighted";
  return "its field matrix differs, and factors that were learned with another matrix mean "
         "something else";
}

absl::Status CheckStart(const Files& files) {
  const std::string first = StartOf(*files.front());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string start = StartOf(*files[i]);
    if (!start.empty() && start == first) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "model ", i + 1, " began training ",
        start.empty() ? "nobody knows where" : absl::StrCat("at '", start, "'"),
        first.empty() || i == 0 ? "" : absl::StrCat(", the first at '", first, "'"),
        ": factors that began at different places are rotated against each other, and their mean "
        "means nothing; train with the same --seed and --init-stddev"));
  }
  return absl::OkStatus();
}

// Whether an entry of the metadata tells of the log of one model.
bool IsOfOneLog(std::string_view name) {
  return absl::StartsWith({name.data(), name.size()}, "lineage.") ||
         absl::StartsWith({name.data(), name.size()}, "field.") ||
         absl::StartsWith({name.data(), name.size()}, "data.train.") ||
         absl::StartsWith({name.data(), name.size()}, "data.valid.");
}

}  // namespace

AveragedRows::AveragedRows(Files files, ModelWeights weights) : weights_(std::move(weights)) {
  double sum = 0.0;
  for (size_t i = 0; i < files.size(); ++i) {
    const double weight = weights_[i] * static_cast<double>(files[i]->counts()->rows);
    w0_ += weight * files[i]->info().w0;
    sum += weight;
  }
  if (sum > 0.0) w0_ /= sum;
  for (auto& file : files) models_.emplace_back(std::move(file));
}

bool AveragedRows::Average(uint64_t key, size_t first, FeatureRow& row) const {
  std::vector<std::pair<FeatureRow, double>> known;
  bool any_count = false;
  for (size_t i = first; i < models_.size(); ++i) {
    FeatureRow of_model;
    if (!models_[i].Find(key, of_model)) continue;
    any_count |= of_model.count > 0;
    known.emplace_back(std::move(of_model), weights_[i]);
  }
  if (known.empty()) return false;
  row.key = key;
  row.name = known.front().first.name;
  row.count = 0;
  double sum = 0.0;
  double w = 0.0;
  std::vector<double> v(known.front().first.v.size());
  for (auto& [of_model, weight] : known) {
    row.count += of_model.count;
    if (any_count) weight *= static_cast<double>(of_model.count);
    sum += weight;
    w += weight * of_model.w;
    for (size_t f = 0; f < v.size(); ++f) v[f] += weight * of_model.v[f];
  }
  row.w = static_cast<float>(w / sum);
  row.v.resize(v.size());
  for (size_t f = 0; f < v.size(); ++f) row.v[f] = static_cast<float>(v[f] / sum);
  return true;
}

bool AveragedRows::Find(uint64_t key, FeatureRow& row) const { return Average(key, 0, row); }

absl::Status AveragedRows::ForEach(Visit visit) const {
  FeatureRow averaged;
  for (size_t i = 0; i < models_.size(); ++i) {
    const absl::Status status = models_[i].ForEach([&](const FeatureRow& row) {
      for (size_t before = 0; before < i; ++before) {
        if (models_[before].file().dictionary().Find(row.key) != model::kNoSlot)
          return absl::OkStatus();
      }
      Average(row.key, i, averaged);
      return visit(averaged);
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckAverageable(const Files& files, Start start) {
  if (files.size() < 2 || files.size() > kMaxAveraged) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.size(), " models, not 2 to ", kMaxAveraged));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i]->counts() || files[i]->counts()->rows == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("model ", i + 1,
                       " does not say how many training rows its features had, which is what "
                       "rows are weighted by; train it with a newer fm"));
    }
    const std::string difference = Difference(*files.front(), *files[i]);
    if (difference.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("model ", i + 1, " cannot be averaged with the first: ", difference));
  }
  return start == Start::kMustAgree ? CheckStart(files) : absl::OkStatus();
}

model::WeightFileOptions AverageOptions(const Files& files) {
  model::WeightFileOptions options = InheritOptions(*files.front());
  std::vector<model::Field> fields = options.schema.fields();
  options.training_rows = 0;
  for (const auto& file : files) {
    *options.training_rows += file->counts()->rows;
    options.with_names &= HasNames(*file);
    for (size_t f = 0; f < fields.size(); ++f) {
      fields[f].min_count = std::min(fields[f].min_count, file->schema().field(f).min_count);
    }
  }
  options.schema = model::FeatureSchema::Create(std::move(fields)).value();
  return options;
}

std::vector<model::Golden> AllGoldens(const Files& files) {
  const size_t most = model::kMaxGoldens / files.size();
  std::vector<model::Golden> goldens;
  for (const auto& file : files) {
    const auto begin = file->goldens().begin();
    const auto count = static_cast<ptrdiff_t>(std::min(most, file->goldens().size()));
    goldens.insert(goldens.end(), begin, begin + count);
  }
  return goldens;
}

model::Metadata AverageMetadata(const Files& files, const Lineage& lineage) {
  model::Metadata metadata;
  uint64_t rows = 0;
  for (const auto& file : files) rows += file->counts()->rows;
  for (const auto& entry : files.front()->metadata()) {
    if (!IsOfOneLog(entry.first)) metadata.push_back(entry);
  }
  metadata.emplace_back("data.train.rows", absl::StrCat(rows));
  return Inherit(metadata, lineage);
}

}  // namespace fmserve::trainer
