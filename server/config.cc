#include "server/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "loader/manifest.h"
#include "loader/shadow_gate.h"
#include "loader/store.h"
#include "loader/watch.h"
#include "s3/client.h"
#include "server/yaml_message.h"

namespace fmserve::server {
namespace {

using google::protobuf::Message;

constexpr uint32_t kMaxScoringThreads = 1024;
constexpr size_t kMaxUnixPathBytes = 107;  // sizeof(sockaddr_un::sun_path) with its NUL

// Fills defaults in and checks ranges; `path` is that of the message, "" or ending in a dot.
class Checker {
 public:
  explicit Checker(YamlReport* report) : report_(report) {}

  void Uint(Message* message, absl::string_view path, const char* name, uint32_t default_value,
            uint32_t min, uint32_t max) {
    const auto* reflection = message->GetReflection();
    const auto* field = message->GetDescriptor()->FindFieldByName(name);
    if (!reflection->HasField(*message, field))
      reflection->SetUInt32(message, field, default_value);
    const uint32_t value = reflection->GetUInt32(*message, field);
    if (value < min || value > max) {
      Find(path, name, absl::StrCat(value, " is out of range; ", min, " to ", max, " is allowed"));
    }
  }

  void Double(Message* message, absl::string_view path, const char* name, double default_value,
              double min, double max) {
    const auto* reflection = message->GetReflection();
    const auto* field = message->GetDescriptor()->FindFieldByName(name);
    if (!reflection->HasField(*message, field))
      reflection->SetDouble(message, field, default_value);
    const double value = reflection->GetDouble(*message, field);
    if (value < min || value > max) {
      Find(path, name, absl::StrCat(value, " is out of range; ", min, " to ", max, " is allowed"));
    }
  }

  void Find(absl::string_view path, absl::string_view name, absl::string_view what) {
    report_->AddFinding(absl::StrCat(path, name), what);
  }

 private:
  YamlReport* report_;
};

// "" when `address` is HOST:PORT, else what is wrong with it.
std::string CheckHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::StrCat("'", address, "' is not HOST:PORT with a port from 0 to 65535");
  }
  return "";
}

std::string CheckListenAddress(absl::string_view address) {
  if (!absl::StartsWith(address, "unix:")) return CheckHostPort(address);
  const size_t path_bytes = address.size() - 5;
  if (path_bytes >= 1 && path_bytes <= kMaxUnixPathBytes) return "";
  return absl::StrCat("the path of '", address, "' has ", path_bytes, " bytes; 1 to ",
                      kMaxUnixPathBytes, " are allowed");
}

void CheckShadowGate(v1::ShadowGateConfig* gate, const std::string& path, Checker* checker) {
  if (!gate->has_enabled()) gate->set_enabled(true);
  checker->Uint(gate, path, "min_requests", 200, 1, 10000);
  if (!gate->has_on_too_few_requests())
    gate->set_on_too_few_requests(v1::ShadowGateConfig::PROMOTE);
  const loader::ShadowGateOptions defaults;
  checker->Double(gate, path, "max_mean_ratio", defaults.max_mean_ratio, 1.0, 1000.0);
  checker->Double(gate, path, "max_shift", defaults.max_shift, 0.0, 100.0);
  checker->Double(gate, path, "max_psi", defaults.max_psi, 0.0, 100.0);
  checker->Double(gate, path, "max_unknown_increase", defaults.max_unknown_increase, 0.0, 1.0);
  checker->Double(gate, path, "max_known_lost", defaults.max_known_lost, 0.0, 1.0);
  checker->Double(gate, path, "min_correlation", defaults.min_correlation, -1.0, 1.0);
  checker->Double(gate, path, "min_top1_agreement", defaults.min_top1_agreement, 0.0, 1.0);
  checker->Double(gate, path, "min_kendall_tau", defaults.min_kendall_tau, -1.0, 1.0);
  checker->Double(gate, path, "max_failed_share", defaults.max_failed_share, 0.0, 1.0);
  checker->Uint(gate, path, "sample_one_in", 16, 1, 1000000);
  checker->Double(gate, path, "max_samples_per_second", 50.0, 0.001, 10000.0);
  checker->Uint(gate, path, "max_memory_mib", 16, 1, 1024);
  checker->Uint(gate, path, "max_request_kib", 256, 1, 65536);
}

void CheckRollout(v1::RolloutConfig* rollout, const std::string& path, Checker* checker) {
  if (!rollout->has_mode()) rollout->set_mode(v1::RolloutConfig::IMMEDIATE);
  checker->Double(rollout, path, "canary_percent", 5.0, 0.1, 50.0);
  checker->Uint(rollout, path, "canary_s", 600, 1, 604800);
}

void CheckWatch(v1::WatchConfig* watch, const std::string& path, Checker* checker) {
  if (!watch->has_enabled()) watch->set_enabled(true);
  checker->Uint(watch, path, "window_ms", 600000, 100, 86400000);
  checker->Uint(watch, path, "min_requests", 200, 1, 1000000);
  const loader::WatchOptions defaults;
  checker->Double(watch, path, "max_error_increase", defaults.max_error_increase, 0.0, 1.0);
  checker->Double(watch, path, "max_non_finite_share", defaults.max_non_finite_share, 0.0, 1.0);
  checker->Double(watch, path, "max_latency_ratio", defaults.max_latency_ratio, 1.0, 1000.0);
}

void CheckPredictionLog(v1::PredictionLogConfig* log, const std::string& path, Checker* checker) {
  if (log->folder().empty()) checker->Find(path, "folder", "is required: where the files go");
  checker->Double(log, path, "sample_percent", 1.0, 1e-4, 100.0);
  checker->Uint(log, path, "weights_one_in", 0, 0, 1000000);
  checker->Uint(log, path, "ring_mib", 16, 1, 1024);
  checker->Uint(log, path, "max_record_kib", std::min(512U, log->ring_mib() * 511), 1, 65536);
  if (log->max_record_kib() >= log->ring_mib() * 512) {
    checker->Find(
        path, "max_record_kib",
        absl::StrCat(log->max_record_kib(), " is not below half of ring_mib, ", log->ring_mib()));
  }
  checker->Uint(log, path, "flush_interval_ms", 1000, 50, 60000);
  checker->Uint(log, path, "max_file_mib", 128, 1, 65536);
  checker->Uint(log, path, "max_file_s", 3600, 1, 604800);
  checker->Uint(log, path, "max_total_mib", 10240, 1, 1073741824);
  if (log->max_total_mib() / 2 < log->max_file_mib()) {
    checker->Find(path, "max_total_mib",
                  absl::StrCat(log->max_total_mib(), " is less than twice max_file_mib, ",
                               log->max_file_mib()));
  }
  if (!log->has_compression()) log->set_compression(v1::PredictionLogConfig::FAST);
}

void CheckStore(v1::ModelConfig* mutable_model, const std::string& path, Checker* checker) {
  const v1::ModelConfig& model = *mutable_model;
  if (model.store().empty()) {
    checker->Find(path, "store",
                  "is required: the folder where versions are published, or s3://BUCKET/PREFIX");
  }
  if (loader::IsS3Store(model.store())) {
    const absl::Status valid = s3::ParseUrl(model.store()).status();
    if (!valid.ok()) checker->Find(path, "store", valid.message());
    checker->Uint(mutable_model->mutable_s3(), path + "s3.", "stall_seconds", 30, 1, 3600);
  } else if (model.has_s3()) {
    checker->Find(path, "s3", "belongs to a store of s3://BUCKET/PREFIX");
  }
}

void CheckModel(v1::ModelConfig* model, const std::string& path, Checker* checker) {
  if (const absl::Status valid = loader::CheckModelName(model->name()); !valid.ok()) {
    checker->Find(path, "name", valid.message());
  }
  CheckStore(model, path, checker);
  checker->Uint(model, path, "budget_ms", 20, 1, 60000);
  checker->Uint(model, path, "poll_interval_ms", loader::IsS3Store(model->store()) ? 15000 : 5000,
                10, 86400000);
  checker->Uint(model, path, "cached_versions", 3, 2, 100);
  checker->Uint(model, path, "fetch_mib_per_s", 0, 0, 100000);
  v1::GatesConfig* gates = model->mutable_gates();
  const std::string gates_path = absl::StrCat(path, "gates.");
  checker->Uint(gates, gates_path, "max_file_mib", 16384, 1, 1048576);
  checker->Double(gates, gates_path, "golden_tolerance", 1e-4, 0.0, 1.0);
  if (!gates->has_allow_no_goldens()) gates->set_allow_no_goldens(false);
  if (!gates->has_allow_version_decrease()) gates->set_allow_version_decrease(false);
  checker->Uint(gates, gates_path, "max_resident_mib", 32768, 1, 2097152);
  checker->Uint(gates, gates_path, "max_published_ahead_s", 3600, 0, 31536000);
  if (!gates->has_refuse_older()) gates->set_refuse_older(false);
  checker->Double(gates, gates_path, "max_loss_increase", 0.05, 0.0, 10.0);
  checker->Double(gates, gates_path, "max_calibration_change", 1.25, 1.0, 100.0);
  if (!gates->has_require_metrics()) gates->set_require_metrics(false);
  CheckShadowGate(model->mutable_shadow_gate(), absl::StrCat(path, "shadow_gate."), checker);
  CheckRollout(model->mutable_rollout(), absl::StrCat(path, "rollout."), checker);
  CheckWatch(model->mutable_watch(), absl::StrCat(path, "watch."), checker);
  if (model->has_prediction_log()) {
    CheckPredictionLog(model->mutable_prediction_log(), absl::StrCat(path, "prediction_log."),
                       checker);
  }
  v1::CatalogueConfig* catalogue = model->mutable_catalogue();
  if (!catalogue->has_item_vectors()) catalogue->set_item_vectors(v1::CatalogueConfig::F32);
}

void CheckModels(v1::ServerConfig* config, Checker* checker) {
  if (config->models().empty()) checker->Find("", "models", "at least one model is required");
  std::set<std::string> names;
  for (int i = 0; i < config->models_size(); ++i) {
    const std::string path = absl::StrCat("models[", i, "].");
    CheckModel(config->mutable_models(i), path, checker);
    if (!names.insert(config->models(i).name()).second) {
      checker->Find(path, "name",
                    absl::StrCat("'", config->models(i).name(), "' names two models"));
    }
  }
  if (config->models().empty()) return;
  if (config->default_model().empty()) config->set_default_model(config->models(0).name());
  if (!names.contains(config->default_model())) {
    checker->Find("", "default_model",
                  absl::StrCat("'", config->default_model(), "' is not one of the models"));
  }
}

void CheckLimits(v1::LimitsConfig* limits, Checker* checker) {
  checker->Uint(limits, "limits.", "max_message_kib", 4096, 1, 65536);
  checker->Uint(limits, "limits.", "max_candidates", 10000, 1, 1000000);
  checker->Uint(limits, "limits.", "max_features_per_list", 4096, 1, 65536);
  checker->Uint(limits, "limits.", "max_features_per_request", 500000, 1, 10000000);
  checker->Uint(limits, "limits.", "max_string_bytes", 1024, 1, 1024);
}

void CheckOverload(v1::OverloadConfig* overload, Checker* checker) {
  if (!overload->has_adaptive()) overload->set_adaptive(true);
  checker->Uint(overload, "overload.", "max_in_flight", 1000, 1, 100000);
  checker->Uint(overload, "overload.", "max_in_flight_mib", 256, 1, 65536);
  checker->Uint(overload, "overload.", "retry_delay_ms", 50, 1, 60000);
}

void CheckServer(v1::ServerConfig* config, Checker* checker) {
  if (config->listen().empty()) config->add_listen("127.0.0.1:8500");
  for (int i = 0; i < config->listen_size(); ++i) {
    if (const std::string wrong = CheckListenAddress(config->listen(i)); !wrong.empty()) {
      checker->Find("", absl::StrCat("listen[", i, "]"), wrong);
    }
  }
  if (!config->has_http_listen()) config->set_http_listen("127.0.0.1:8501");
  if (!config->http_listen().empty()) {
    if (const std::string wrong = CheckHostPort(config->http_listen()); !wrong.empty()) {
      checker->Find("", "http_listen", wrong);
    }
  }
  if (config->cache_dir().empty()) {
    checker->Find("", "cache_dir",
                  "is required: a folder for this server's own copies of weight files");
  }
  checker->Uint(config, "", "lame_duck_ms", 0, 0, 600000);
  checker->Uint(config, "", "drain_timeout_ms", 10000, 0, 600000);
  CheckModels(config, checker);
  CheckLimits(config->mutable_limits(), checker);
  const uint32_t processors = std::max(1U, std::thread::hardware_concurrency());
  checker->Uint(config, "", "scoring_threads", std::min(processors, kMaxScoringThreads), 1,
                kMaxScoringThreads);
  CheckOverload(config->mutable_overload(), checker);
}

}  // namespace

absl::StatusOr<v1::ServerConfig> ParseConfig(const std::string& text, absl::string_view name) {
  v1::ServerConfig config;
  YamlReport report;
  ParseYaml(text, &config, &report);
  // Values of a wrong type were not set: what they would be checked for is not what is wrong with
  // them.
  if (report.ok()) {
    Checker checker(&report);
    CheckServer(&config, &checker);
  }
  if (!report.ok()) return absl::InvalidArgumentError(report.ToString(name));
  return config;
}

absl::StatusOr<v1::ServerConfig> LoadConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file.is_open()) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  if (std::filesystem::is_directory(path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a folder; name the file in it"));
  }
  return ParseConfig(std::string(std::istreambuf_iterator<char>(file), {}), path);
}

}  // namespace fmserve::server
