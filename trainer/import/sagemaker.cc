#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/import/archive.h"
#include "trainer/import/readers.h"
#include "trainer/import/sagemaker_params.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kMaxMetaBytes = size_t{1} << 20;

// `status` with what it is about before its message.
absl::Status In(std::string_view what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(std::string(what), ": ", std::string(status.message())));
}

// Hyperparameters are strings, however they were given.
std::string TextOf(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

absl::Status ReadCount(const nlohmann::json& object, const char* name,
                       std::optional<uint64_t>& count) {
  const std::string text = TextOf(object, name);
  if (text.empty()) return absl::OkStatus();
  const std::optional<int64_t> number = model::ParseInteger(text);
  if (!number || *number < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("byte 0: ", name, " ", model::Quote(text), " is not a positive whole number"));
  }
  count = static_cast<uint64_t>(*number);
  return absl::OkStatus();
}

absl::StatusOr<SageMakerMeta> ParseMeta(std::string_view json) {
  if (json.size() > kMaxMetaBytes) {
    return absl::InvalidArgumentError(absl::StrCat("byte ", kMaxMetaBytes, ": ", json.size(),
                                                   " bytes, more than the ", kMaxMetaBytes,
                                                   " allowed"));
  }
  const nlohmann::json object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const bool whole = object.is_object() && object.contains("training_parameters") &&
                     object["training_parameters"].is_object();
  if (!whole) {
    return absl::InvalidArgumentError("byte 0: not a JSON object with 'training_parameters'");
  }
  const nlohmann::json& parameters = object["training_parameters"];
  SageMakerMeta meta;
  absl::Status status = ReadCount(parameters, "feature_dim", meta.features);
  status.Update(ReadCount(parameters, "num_factors", meta.factors));
  if (!status.ok()) return status;
  const std::string predictor = TextOf(parameters, "predictor_type");
  if (predictor == "binary_classifier") {
    meta.task = model::Task::kBinary;
  } else if (predictor == "regressor") {
    meta.task = model::Task::kRegression;
  } else if (!predictor.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("byte 0: predictor_type ",
                                                   model::Quote(predictor),
                                                   " is not 'binary_classifier' or 'regressor'"));
  }
  meta.epoch = TextOf(object, "epoch_number");
  return meta;
}

// What a model_algo-<n> holds.
struct Algo {
  std::string params;
  SageMakerMeta meta;
};

absl::StatusOr<Algo> UnpackAlgo(std::string_view zip) {
  absl::StatusOr<std::vector<ArchiveMember>> members = ReadArchive(
      zip, [](std::string_view name) { return name == "params" || name == "meta.json"; });
  if (!members.ok()) return members.status();
  Algo algo;
  for (ArchiveMember& member : *members) {
    if (member.name == "params") {
      algo.params = std::move(member.content);
      continue;
    }
    absl::StatusOr<SageMakerMeta> meta = ParseMeta(member.content);
    if (!meta.ok()) return In("meta.json", meta.status());
    algo.meta = *std::move(meta);
  }
  if (algo.params.empty()) {
    return absl::InvalidArgumentError("byte 0: the zip archive has no member 'params'");
  }
  return algo;
}

absl::StatusOr<ImportedModel> ReadParams(const Algo& algo) {
  absl::StatusOr<ImportedModel> model = ReadSageMakerParams(algo.params, algo.meta);
  if (!model.ok()) return In("params", model.status());
  return model;
}

bool IsZip(std::string_view bytes) { return bytes.starts_with("PK"); }

bool IsNdArrayList(std::string_view bytes) {
  return bytes.starts_with(std::string_view("\x12\x01\0\0\0\0\0\0", 8));
}

absl::StatusOr<Algo> ReadAlgo(std::string bytes) {
  if (IsZip(bytes)) return UnpackAlgo(bytes);
  return Algo{.params = std::move(bytes), .meta = {}};
}

// Each host of a training job leaves one.
absl::StatusOr<Algo> UnpackTar(std::string_view bytes) {
  absl::StatusOr<std::vector<ArchiveMember>> members =
      ReadArchive(bytes, [](std::string_view name) { return name.starts_with("model_algo-"); });
  if (!members.ok()) return members.status();
  if (members->empty()) {
    return absl::InvalidArgumentError("byte 0: the archive has no member 'model_algo-1'");
  }
  std::optional<Algo> first;
  for (ArchiveMember& member : *members) {
    absl::StatusOr<Algo> algo = ReadAlgo(std::move(member.content));
    if (!algo.ok()) return In(member.name, algo.status());
    if (first && first->params != algo->params) {
      return absl::InvalidArgumentError(absl::StrCat(
          "byte 0: ", model::Quote(members->front().name), " and ", model::Quote(member.name),
          " hold different parameters; take one of them out and import that"));
    }
    if (!first) first = *std::move(algo);
  }
  return *std::move(first);
}

}  // namespace

absl::StatusOr<ImportedModel> ReadSageMaker(std::string_view bytes) {
  if (IsNdArrayList(bytes)) return ReadSageMakerParams(bytes, {});
  const absl::StatusOr<Algo> algo = IsZip(bytes) ? UnpackAlgo(bytes) : UnpackTar(bytes);
  if (!algo.ok()) return algo.status();
  return ReadParams(*algo);
}

}  // namespace fmserve::trainer
