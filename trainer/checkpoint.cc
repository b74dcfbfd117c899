#include "trainer/checkpoint.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "model/atomic_file.h"
#include "model/checksum.h"

namespace fmserve::trainer {
namespace {

using HeadJson = nlohmann::ordered_json;

constexpr std::string_view kCheckpointMagic = "fmckpt01";
constexpr const char* kStart = "parameters at the start";
constexpr uint64_t kMaxHeadBytes = uint64_t{4} << 20;  // 1000 epochs are 0.3 MB

std::string Hex(const model::Checksum& checksum) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(checksum.data()), checksum.size()));
}

std::string Exactly(double value) { return absl::StrFormat("%.17g", value); }

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
void HashArray(std::span<const T> values, model::Hasher& hasher) {
  const uint64_t count = values.size();
  hasher.Update(BytesOf(count));
  hasher.Update(std::as_bytes(values));
}

// Hashes what it writes.
class Writer {
 public:
  explicit Writer(model::AtomicFile& file) : file_(file) {}

  void Write(std::span<const std::byte> bytes) {
    hasher_.Update(bytes);
    if (status_.ok()) status_ = file_.Append(bytes);
  }

  absl::Status Finish() {
    const model::Checksum checksum = hasher_.Digest();
    Write(std::as_bytes(std::span(checksum)));
    return status_.ok() ? file_.Commit() : status_;
  }

 private:
  model::AtomicFile& file_;
  model::Hasher hasher_;
  absl::Status status_;
};

// Hashes what it reads; what the file is too short for fails, and so does all that follows.
class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path, std::ios::binary) {}

  bool is_open() const { return file_.is_open(); }

  bool Read(std::span<std::byte> bytes) {
    file_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    hasher_.Update(bytes);
    return file_.good();
  }

  template <typename T>
  bool ReadArray(size_t count, std::vector<T>& values) {
    values.resize(count);
    return Read(std::as_writable_bytes(std::span(values)));
  }

  // Whether the checksum comes next, is right, and is the end.
  bool Finish() {
    const model::Checksum expected = hasher_.Digest();
    model::Checksum checksum = {};
    return Read(std::as_writable_bytes(std::span(checksum))) && checksum == expected &&
           file_.peek() == std::ifstream::traits_type::eof();
  }

 private:
  std::ifstream file_;
  model::Hasher hasher_;
};

HeadJson OptionalJson(const std::optional<double>& value) {
  return value ? HeadJson(*value) : HeadJson(nullptr);
}

std::optional<double> OptionalOf(const HeadJson& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

HeadJson EpochJson(const EpochReport& report) {
  HeadJson json = {{"epoch", report.epoch},
                   {"train_loss", report.train_loss},
                   {"seconds", report.seconds},
                   {"best", report.best}};
  if (!report.valid) return json;
  const Metrics& valid = *report.valid;
  json["valid"] = {{"rows", valid.rows},
                   {"logloss", OptionalJson(valid.logloss)},
                   {"auc", OptionalJson(valid.auc)},
                   {"normalized_entropy", OptionalJson(valid.normalized_entropy)},
                   {"calibration", OptionalJson(valid.calibration)},
                   {"rmse", OptionalJson(valid.rmse)}};
  return json;
}

EpochReport EpochOf(const HeadJson& json) {
  EpochReport report;
  report.epoch = json.at("epoch").get<uint32_t>();
  report.train_loss = json.at("train_loss").get<double>();
  report.seconds = json.at("seconds").get<double>();
  report.best = json.at("best").get<bool>();
  if (!json.contains("valid")) return report;
  const HeadJson& valid = json.at("valid");
  report.valid = {.rows = valid.at("rows").get<uint64_t>(),
                  .logloss = OptionalOf(valid.at("logloss")),
                  .auc = OptionalOf(valid.at("auc")),
                  .normalized_entropy = OptionalOf(valid.at("normalized_entropy")),
                  .calibration = OptionalOf(valid.at("calibration")),
                  .rmse = OptionalOf(valid.at("rmse"))};
  return report;
}

// Of the best epoch, when they are not those of the learner as it is.
bool HasParameters(const FitResult& result) {
  return result.best_epoch > 0 && result.best_epoch < result.epochs.size();
}

HeadJson MakeHead(const RunIdentity& identity, const FitResult& so_far, Learner& learner) {
  HeadJson head = {{"identity", HeadJson::object()}, {"epochs", HeadJson::array()}};
  for (const auto& [name, value] : identity) head["identity"][name] = value;
  for (const EpochReport& report : so_far.epochs) head["epochs"].push_back(EpochJson(report));
  head["best_epoch"] = so_far.best_epoch;
  head["state_bytes"] = HeadJson::array();
  for (const std::span<std::byte> part : learner.State())
    head["state_bytes"].push_back(part.size());
  head["k"] = so_far.parameters.k;
  head["rows"] = so_far.parameters.rows();
  if (so_far.parameters.field_matrix) {
    const model::FieldMatrix& matrix = *so_far.parameters.field_matrix;
    head["field_matrix"] = {
        {"rank", matrix.rank}, {"scales", matrix.scales}, {"factors", matrix.factors}};
  }
  return head;
}

absl::Status Damaged(const std::string& path, std::string_view what) {
  return absl::DataLossError(absl::StrCat(
      path, ": no checkpoint, or a damaged one: ", std::string(what), "; remove it to begin anew"));
}

absl::Status CheckIdentity(const std::string& path, const RunIdentity& identity,
                           const HeadJson& theirs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : identity) {
    if (!theirs.contains(name) || theirs.at(name) != value) names.push_back(name);
  }
  if (names.empty()) return absl::OkStatus();
  // Other options mean another start; what else changes it (names of values) has no name above.
  if (names.size() > 1 && names.back() == kStart) names.pop_back();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is the checkpoint of a training that differs in ", absl::StrJoin(names, ", "),
      "; run with the same to go on with it, or remove it to begin anew"));
}

// Throws HeadJson::exception where the head is not as it was written.
absl::StatusOr<FitResult> ReadHead(const std::string& path, const HeadJson& head,
                                   const RunIdentity& identity, uint32_t max_epochs,
                                   Learner& learner) {
  if (absl::Status status = CheckIdentity(path, identity, head.at("identity")); !status.ok())
    return status;
  FitResult result;
  for (const HeadJson& epoch : head.at("epochs")) result.epochs.push_back(EpochOf(epoch));
  result.best_epoch = head.at("best_epoch").get<uint32_t>();
  if (result.epochs.size() > max_epochs) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has ", result.epochs.size(),
                                                      " epochs, more than --epochs ", max_epochs,
                                                      "; give more, or remove it to begin anew"));
  }
  if (result.epochs.empty() || result.best_epoch > result.epochs.size())
    return Damaged(path, "its epochs");
  std::vector<size_t> sizes;
  for (const std::span<std::byte> part : learner.State()) sizes.push_back(part.size());
  if (head.at("state_bytes") != HeadJson(sizes)) return Damaged(path, "another number of features");
  return result;
}

// What stands between head and checksum.
bool ReadBody(const HeadJson& head, uint64_t file_bytes, Learner& learner, FitResult& result,
              Reader& reader) {
  for (const std::span<std::byte> part : learner.State()) {
    if (!reader.Read(part)) return false;
  }
  if (!HasParameters(result)) return true;
  Parameters& parameters = result.parameters;
  parameters.k = head.at("k").get<uint32_t>();
  const auto rows = head.at("rows").get<size_t>();
  if (parameters.k > model::kMaxK || rows > file_bytes / sizeof(float) / (parameters.k + 1))
    return false;
  if (head.contains("field_matrix")) {
    const HeadJson& matrix = head.at("field_matrix");
    parameters.field_matrix = {.rank = matrix.at("rank").get<uint32_t>(),
                               .scales = matrix.at("scales").get<std::vector<float>>(),
                               .factors = matrix.at("factors").get<std::vector<float>>()};
  }
  return reader.Read(std::as_writable_bytes(std::span(&parameters.w0, 1))) &&
         reader.ReadArray(rows, parameters.w) &&
         reader.ReadArray(rows * parameters.k, parameters.v);
}

}  // namespace

std::string Fingerprint(const Examples& examples, std::span<const uint64_t> keys) {
  model::Hasher hasher;
  HashArray<float>(examples.labels, hasher);
  HashArray<float>(examples.weights, hasher);
  HashArray<size_t>(examples.ends, hasher);
  HashArray<Entry>(examples.entries, hasher);
  HashArray(keys, hasher);
  return Hex(hasher.Digest());
}

RunIdentity IdentityOf(const FitOptions& options, const TrainingRows& train, const Examples* valid,
                       Learner& learner) {
  const LearnerOptions& o = options.learner;
  model::Hasher start;
  for (const std::span<std::byte> part : learner.State()) start.Update(part);
  return {
      {"task", std::string(Name(o.task))},
      {"--k", absl::StrCat(o.k)},
      {"--learning-rate", Exactly(o.learning_rate)},
      {"--linear-learning-rate", o.linear_learning_rate ? Exactly(*o.linear_learning_rate) : ""},
      {"--l2-linear", Exactly(o.l2_linear)},
      {"--l2-factors", Exactly(o.l2_factors)},
      {"--init-stddev", Exactly(o.init_stddev)},
      {"--init-accumulator", Exactly(o.init_accumulator)},
      {"--step-decay", Exactly(o.step_decay)},
      {"--rank", absl::StrCat(o.field.rank)},
      {"--field-learning-rate", Exactly(o.field.learning_rate)},
      {"--init-field-stddev", Exactly(o.field.init_stddev)},
      {"--negatives", Exactly(o.negatives)},
      {"--stop-on", options.stop_on == StopMetric::kAuc ? "auc" : "loss"},
      {"--seed", absl::StrCat(o.seed)},
      {"training rows", train.Fingerprint()},
      {"validation rows", valid == nullptr ? "none" : Fingerprint(*valid)},
      {kStart, Hex(start.Digest())}};
}

absl::Status WriteCheckpoint(const std::string& path, const RunIdentity& identity,
                             const FitResult& so_far, Learner& learner) {
  // Under one name, so that what a killed process left is overwritten.
  const std::string temporary_path = path + ".tmp";
  unlink(temporary_path.c_str());
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Resume(path, temporary_path);
  if (!file.ok()) return file.status();
  Writer writer(*file);
  const std::string head = MakeHead(identity, so_far, learner).dump();
  const uint64_t head_bytes = head.size();
  writer.Write(std::as_bytes(std::span(kCheckpointMagic)));
  writer.Write(BytesOf(head_bytes));
  writer.Write(std::as_bytes(std::span(head)));
  for (const std::span<std::byte> part : learner.State()) writer.Write(part);
  if (HasParameters(so_far)) {
    writer.Write(BytesOf(so_far.parameters.w0));
    writer.Write(std::as_bytes(std::span(so_far.parameters.w)));
    writer.Write(std::as_bytes(std::span(so_far.parameters.v)));
  }
  return writer.Finish();
}

absl::StatusOr<std::optional<FitResult>> ReadCheckpoint(const std::string& path,
                                                        const RunIdentity& identity,
                                                        uint32_t max_epochs, Learner& learner) {
  errno = 0;
  Reader reader(path);
  if (!reader.is_open()) {
    if (errno == ENOENT) return std::optional<FitResult>();
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  }
  std::string magic(kCheckpointMagic.size(), '\0');
  uint64_t head_bytes = 0;
  if (!reader.Read(std::as_writable_bytes(std::span(magic))) || magic != kCheckpointMagic ||
      !reader.Read(std::as_writable_bytes(std::span(&head_bytes, 1))) ||
      head_bytes > kMaxHeadBytes) {
    return Damaged(path, "its first bytes");
  }
  std::string text(head_bytes, '\0');
  if (!reader.Read(std::as_writable_bytes(std::span(text)))) return Damaged(path, "ends early");
  std::error_code ignored;  // then too large a number: reading fails instead
  const uint64_t file_bytes = std::filesystem::file_size(path, ignored);
  try {
    const HeadJson head = HeadJson::parse(text);
    absl::StatusOr<FitResult> result = ReadHead(path, head, identity, max_epochs, learner);
    if (!result.ok()) return result.status();
    if (!ReadBody(head, file_bytes, learner, *result, reader) || !reader.Finish())
      return Damaged(path, "its checksum");
    return std::optional<FitResult>(*std::move(result));
  } catch (const HeadJson::exception& error) {
    return Damaged(path, error.what());
  }
}

}  // namespace fmserve::trainer
