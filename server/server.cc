#include "server/server.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "loader/store.h"
#include "model/kernels/kernels.h"
#include "s3/client.h"
#include "server/health_service.h"
#include "server/loader_log.h"
#include "server/log.h"
#include "server/metrics_text.h"
#include "server/operator_service.h"
#include "server/prediction_service.h"
#include "server/shadow_scorer.h"

namespace fmserve::server {
namespace {

// Of the synchronous services (operators, reflection): one per call that waits. Predictions do not
// use them.
constexpr int kMaxSyncThreads = 32;
// A client may ask an idle connection whether it lives this often; gRPC's own 5 minutes is longer
// than most load balancers keep one.
constexpr int kMinPingIntervalMs = 10000;
// Where a poll is a request that costs: a first catalogue is noticed within 5 minutes, by default.
constexpr uint32_t kPollsPerAbsentCatalogue = 20;

// After the last answer; a disk that hangs does not hold up the end.
constexpr std::chrono::seconds kPredictionLogPatience{5};

RequestLimits ToRequestLimits(const v1::LimitsConfig& limits) {
  return {.max_candidates = limits.max_candidates(),
          .max_features_per_list = limits.max_features_per_list(),
          .max_features_per_request = limits.max_features_per_request(),
          .max_string_bytes = limits.max_string_bytes()};
}

ServiceOptions ToServiceOptions(const v1::ServerConfig& config) {
  const v1::OverloadConfig& overload = config.overload();
  return {.limits = ToRequestLimits(config.limits()),
          .limiter = {.threads = config.scoring_threads(),
                      .max_in_flight = overload.max_in_flight(),
                      .max_bytes_in_flight = uint64_t{overload.max_in_flight_mib()} << 20,
                      .adaptive = overload.adaptive()},
          .retry_delay = std::chrono::milliseconds(overload.retry_delay_ms())};
}

loader::RolloutOptions ToRolloutOptions(const v1::RolloutConfig& config) {
  loader::RolloutOptions options{.canary_percent = config.canary_percent(),
                                 .canary_time = std::chrono::seconds(config.canary_s())};
  if (config.mode() == v1::RolloutConfig::CANARY) options.mode = loader::RolloutMode::kCanary;
  if (config.mode() == v1::RolloutConfig::MANUAL) options.mode = loader::RolloutMode::kManual;
  return options;
}

loader::LoaderOptions ToLoaderOptions(const v1::ModelConfig& config, const std::string& cache_dir,
                                      const model::KernelTable* kernels) {
  const v1::GatesConfig& gates = config.gates();
  return {.model = config.name(),
          .cache_dir = absl::StrCat(cache_dir, "/", config.name()),
          .poll_interval = std::chrono::milliseconds(config.poll_interval_ms()),
          .polls_per_absent_catalogue =
              loader::IsS3Store(config.store()) ? kPollsPerAbsentCatalogue : 1,
          .cached_versions = config.cached_versions(),
          .fetch_bytes_per_s = uint64_t{config.fetch_mib_per_s()} << 20,
          .gates = {.max_file_bytes = uint64_t{gates.max_file_mib()} << 20,
                    .golden_tolerance = gates.golden_tolerance(),
                    .allow_no_goldens = gates.allow_no_goldens(),
                    .allow_version_decrease = gates.allow_version_decrease(),
                    .max_resident_bytes = uint64_t{gates.max_resident_mib()} << 20,
                    .max_published_ahead_s = gates.max_published_ahead_s(),
                    .refuse_older = gates.refuse_older(),
                    .max_loss_increase = gates.max_loss_increase(),
                    .max_calibration_change = gates.max_calibration_change(),
                    .require_metrics = gates.require_metrics()},
          .rollout = ToRolloutOptions(config.rollout()),
          .kernels = kernels,
          .item_vectors = config.catalogue().item_vectors() == v1::CatalogueConfig::INT8
                              ? model::ItemVectors::kInt8
                              : model::ItemVectors::kF32};
}

loader::ShadowGateOptions ToShadowGateOptions(const v1::ShadowGateConfig& config) {
  return {.enabled = config.enabled(),
          .min_requests = config.min_requests(),
          .hold_on_too_few_requests = config.on_too_few_requests() == v1::ShadowGateConfig::HOLD,
          .max_mean_ratio = config.max_mean_ratio(),
          .max_shift = config.max_shift(),
          .max_psi = config.max_psi(),
          .max_unknown_increase = config.max_unknown_increase(),
          .max_known_lost = config.max_known_lost(),
          .min_correlation = config.min_correlation(),
          .min_top1_agreement = config.min_top1_agreement(),
          .min_kendall_tau = config.min_kendall_tau(),
          .max_failed_share = config.max_failed_share()};
}

loader::WatchOptions ToWatchOptions(const v1::WatchConfig& config) {
  return {.enabled = config.enabled(),
          .window = std::chrono::milliseconds(config.window_ms()),
          .min_requests = config.min_requests(),
          .max_error_increase = config.max_error_increase(),
          .max_non_finite_share = config.max_non_finite_share(),
          .max_latency_ratio = config.max_latency_ratio()};
}

// Keeps the model's recent requests, and lets its loader ask for them.
void AddShadowGate(const v1::ShadowGateConfig& config, const RequestLimits& limits,
                   ServedModel* model, loader::LoaderOptions* options) {
  options->shadow = ToShadowGateOptions(config);
  if (!config.enabled()) return;
  model->recent_requests = std::make_unique<RequestRing>(
      RequestRingOptions{.sample_one_in = config.sample_one_in(),
                         .max_per_second = config.max_samples_per_second(),
                         .max_bytes = size_t{config.max_memory_mib()} << 20,
                         .max_request_bytes = size_t{config.max_request_kib()} << 10});
  const RequestRing& ring = *model->recent_requests;
  options->requests = {
      .compare =
          [&ring, limits](const loader::Snapshot& serving, const loader::Snapshot& candidate,
                          uint64_t after, model::Checkpoint checkpoint) {
            return CompareOnRequests(ring, after, limits, serving, candidate, checkpoint);
          },
      .count = [&ring](uint64_t after) { return ring.size(after); },
      .last = [&ring] { return ring.last(); }};
}

// The snapshot that serves as `version`, 0 for the current one; null when it has gone.
std::shared_ptr<const loader::Snapshot> FindSnapshot(const loader::ModelSlot& slot,
                                                     uint64_t version) {
  if (version == 0) return slot.Get();
  for (auto snapshot : {slot.Get(), slot.Canary(), slot.Previous()}) {
    if (snapshot != nullptr && snapshot->version() == version) return snapshot;
  }
  return nullptr;
}

std::unique_ptr<PredictionLog> MakePredictionLog(const v1::PredictionLogConfig& config,
                                                 const RequestLimits& limits,
                                                 const ServedModel& model) {
  return std::make_unique<PredictionLog>(
      PredictionLogOptions{.model = model.name,
                           .folder = config.folder(),
                           .sample_percent = config.sample_percent(),
                           .weights_one_in = config.weights_one_in(),
                           .ring_bytes = size_t{config.ring_mib()} << 20,
                           .max_record_bytes = size_t{config.max_record_kib()} << 10,
                           .flush_interval = std::chrono::milliseconds(config.flush_interval_ms()),
                           .max_file_bytes = uint64_t{config.max_file_mib()} << 20,
                           .max_file_age = std::chrono::seconds(config.max_file_s()),
                           .max_total_bytes = uint64_t{config.max_total_mib()} << 20,
                           .compression = config.compression() == v1::PredictionLogConfig::SMALL
                                              ? LogCompression::kSmall
                                              : LogCompression::kFast,
                           .limits = limits},
      [&slot = model.loader->slot()](uint64_t version) { return FindSnapshot(slot, version); });
}

s3::ClientOptions ToClientOptions(const v1::S3Config& config) {
  s3::ClientOptions options{.endpoint_url = config.endpoint_url(),
                            .region = config.region(),
                            .ca_file = config.ca_file(),
                            .profile = config.profile(),
                            .stall_seconds = static_cast<int>(config.stall_seconds())};
  if (config.addressing() == v1::S3Config::PATH) options.addressing = s3::Addressing::kPath;
  if (config.addressing() == v1::S3Config::VIRTUAL_HOST)
    options.addressing = s3::Addressing::kVirtualHost;
  return options;
}

void ConfigureTransport(const v1::ServerConfig& config, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(config.limits().max_message_kib() << 10));
  // A port that another server has is an error, not a port to share with it.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinPingIntervalMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->SetResourceQuota(grpc::ResourceQuota("fmserve").SetMaxThreads(kMaxSyncThreads));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const v1::ServerConfig& config) {
  RedirectGrpcLog();
  std::unique_ptr<Server> server(new Server(config));
  for (auto step :
       {&Server::AddModels, &Server::StartModels, &Server::StartGrpc, &Server::StartHttp}) {
    if (absl::Status status = (*server.*step)(); !status.ok()) return status;
  }
  Log(LogLevel::kInfo, "server_started",
      {{"models", server->models_.all().size()}, {"not_ready", server->health_->NotReadyReason()}});
  return server;
}

Server::Server(const v1::ServerConfig& config)
    : config_(config), health_(std::make_unique<HealthService>(models_)) {}

Server::~Server() {
  http_.reset();
  for (const auto& model : models_.all()) model->loader->Stop();
  if (grpc_ == nullptr) return;
  grpc_->Shutdown(std::chrono::system_clock::now());
}

absl::Status Server::AddModels() {
  const absl::StatusOr<const model::KernelTable*> kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  for (const v1::ModelConfig& config : config_.models()) {
    absl::StatusOr<loader::ModelSources> sources =
        loader::OpenSources(config.store(), config.name(), ToClientOptions(config.s3()));
    if (!sources.ok()) {
      return absl::Status(sources.status().code(), absl::StrCat("model '", config.name(),
                                                                "': ", sources.status().message()));
    }
    auto model = std::make_unique<ServedModel>();
    model->name = config.name();
    model->budget = std::chrono::milliseconds(config.budget_ms());
    loader::LoaderOptions options = ToLoaderOptions(config, config_.cache_dir(), *kernels);
    AddShadowGate(config.shadow_gate(), ToRequestLimits(config_.limits()), model.get(), &options);
    options.watch = ToWatchOptions(config.watch());
    options.requests.counted = [served = model.get()](uint64_t version) {
      return served->metrics.CountsFor(version);
    };
    model->loader = std::make_unique<loader::ModelLoader>(
        std::move(options), std::move(sources->weights),
        [this, served = model.get()](const loader::LoaderEvent& event) {
          OnLoaderEvent(served, event);
        },
        std::move(sources->catalogues));
    if (config.has_prediction_log()) {
      model->prediction_log =
          MakePredictionLog(config.prediction_log(), ToRequestLimits(config_.limits()), *model);
    }
    models_.Add(std::move(model));
  }
  models_.SetDefault(config_.default_model());
  Log(LogLevel::kInfo, "kernels_selected", {{"name", std::string((*kernels)->name)}});
  return absl::OkStatus();
}

absl::Status Server::StartModels() {
  for (const auto& model : models_.all()) {
    if (absl::Status status = model->loader->Start(); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("model '", model->name, "': ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Server::StartGrpc() {
  prediction_ = std::make_unique<PredictionService>(models_, ToServiceOptions(config_));
  operator_ = std::make_unique<OperatorService>(models_);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  ConfigureTransport(config_, &builder);
  grpc_ports_.resize(static_cast<size_t>(config_.listen_size()));
  for (int i = 0; i < config_.listen_size(); ++i) {
    builder.AddListeningPort(config_.listen(i), grpc::InsecureServerCredentials(),
                             &grpc_ports_[static_cast<size_t>(i)]);
  }
  builder.RegisterService(prediction_.get());
  builder.RegisterService(operator_.get());
  builder.RegisterService(health_.get());
  grpc_ = builder.BuildAndStart();
  for (int i = 0; i < config_.listen_size(); ++i) {
    const int port = grpc_ports_[static_cast<size_t>(i)];
    if (grpc_ == nullptr && port == 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", config_.listen(i), ": is the address in use?"));
    }
    Log(LogLevel::kInfo, "grpc_listening", {{"address", config_.listen(i)}, {"port", port}});
  }
  if (grpc_ == nullptr) return absl::InternalError("gRPC did not start");
  return absl::OkStatus();
}

absl::Status Server::StartHttp() {
  if (config_.http_listen().empty()) return absl::OkStatus();
  auto http = HttpServer::Start(
      config_.http_listen(),
      {{"/livez", [] { return HttpResponse{.body = "ok\n"}; }},
       {"/metrics",
        [this] {
          return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                              .body = MetricsPage()};
        }},
       {"/readyz", [this] {
          const std::string reason = health_->NotReadyReason();
          return reason.empty() ? HttpResponse{.body = "ok\n"}
                                : HttpResponse{.code = 503, .body = reason + "\n"};
        }}});
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  Log(LogLevel::kInfo, "http_listening",
      {{"address", config_.http_listen()}, {"port", http_->port()}});
  return absl::OkStatus();
}

void Server::OnLoaderEvent(ServedModel* model, const loader::LoaderEvent& event) {
  LogLoaderEvent(event);
  if (event.kind == loader::LoaderEvent::Kind::kRejected)
    model->metrics.RecordRejection(loader::ArtifactName(event.artifact), event.reason);
  health_->Update();
}

std::string Server::MetricsPage() const {
  std::vector<ModelMetricsView> views;
  for (const auto& model : models_.all()) {
    views.push_back(
        {model->loader->GetStatus(), model->metrics.Counts(), model->top_k_metrics.Counts()});
    if (const RequestRing* ring = model->recent_requests.get(); ring != nullptr) {
      views.back().recent_requests = ring->size();
      views.back().recent_request_bytes = ring->bytes();
      views.back().recent_requests_dropped = ring->dropped_count();
    }
    if (const PredictionLog* log = model->prediction_log.get(); log != nullptr)
      views.back().prediction_log = log->Counts();
  }
  const ServerMetricsView view{.unknown_model_requests = prediction_->unknown_model_requests(),
                               .draining = health_->draining(),
                               .concurrency_limit = prediction_->limiter().limit(),
                               .in_flight = prediction_->limiter().in_flight(),
                               .refusals = prediction_->refusals()};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return FormatMetrics(
      views, view,
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void Server::Drain() {
  const auto start = std::chrono::steady_clock::now();
  Log(LogLevel::kInfo, "drain_started",
      {{"lame_duck_ms", config_.lame_duck_ms()}, {"timeout_ms", config_.drain_timeout_ms()}});
  health_->Drain();
  std::this_thread::sleep_for(std::chrono::milliseconds(config_.lame_duck_ms()));
  // Ends operators' calls that wait for a download; what serves keeps serving.
  for (const auto& model : models_.all()) model->loader->Stop();
  grpc_->Shutdown(std::chrono::system_clock::now() +
                  std::chrono::milliseconds(config_.drain_timeout_ms()));
  for (const auto& model : models_.all()) {
    PredictionLog* const log = model->prediction_log.get();
    if (log == nullptr || log->Stop(kPredictionLogPatience)) continue;
    Log(LogLevel::kWarning, "prediction_log_left", {{"model", model->name}});
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  Log(LogLevel::kInfo, "drain_finished", {{"took_ms", took.count()}});
}

}  // namespace fmserve::server
