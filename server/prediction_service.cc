#include "server/prediction_service.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/text.h"
#include "server/grpc_util.h"
#include "server/message_bytes.h"
#include "server/schema_message.h"

namespace fmserve::server {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;
constexpr double kFailureLinesPerSecond = 10.0;
constexpr double kRefusalLinesPerSecond = 1.0;

std::string RandomPrefix() {
  std::random_device device;
  const uint64_t bits = (uint64_t{device()} << 32) | device();
  return absl::StrCat(absl::Hex(bits, absl::kZeroPad16), "-");
}

absl::Status NoSnapshotError(const ServedModel& model) {
  const std::string reason = model.loader->GetStatus().last_error;
  return absl::UnavailableError(
      absl::StrCat("model '", model.name, "' has no weights yet; ",
                   reason.empty() ? "the first version is on its way" : reason));
}

RequestBudget StartBudget(const ServedModel& model, const PendingCall& call, uint32_t asked_ms) {
  return RequestBudget::Start(SystemClock(), call.arrival, model.budget,
                              std::chrono::milliseconds(asked_ms), call.deadline - call.arrival);
}

std::chrono::nanoseconds LongestBudget(const ServedModels& models) {
  std::chrono::nanoseconds longest{0};
  for (const auto& model : models.all()) longest = std::max(longest, model->budget);
  return longest;
}

// Of the candidates that were scored. Those that were not, and items that the catalogue does not
// have, are no numbers by design (predictor.cc).
uint64_t CountNonFinite(const v1::PredictResponse& response) {
  const auto& predictions = response.predictions();
  const auto non_finite = std::count_if(predictions.begin(), predictions.end(),
                                        [](float p) { return !std::isfinite(p); });
  const uint64_t not_scored = static_cast<uint64_t>(predictions.size()) - response.scored_count() +
                              response.unknown_items_count();
  return static_cast<uint64_t>(non_finite) - std::min<uint64_t>(non_finite, not_scored);
}

// gRPC's callback API has half as many threads as processors, 2 to 16; one of them has to be free
// to read.
size_t MostInPlace() {
  const long processors = sysconf(_SC_NPROCESSORS_CONF);  // NOLINT(google-runtime-int)
  return static_cast<size_t>(std::clamp(processors / 2, 2L, 16L)) - 1;
}

}  // namespace

PredictionService::PredictionService(const ServedModels& models, const ServiceOptions& options)
    : models_(models),
      options_(options),
      longest_budget_(LongestBudget(models)),
      request_id_prefix_(RandomPrefix()),
      failure_log_limiter_(kFailureLinesPerSecond),
      refusal_log_limiter_(kRefusalLinesPerSecond),
      limiter_(options.limiter),
      threads_({.threads = options.limiter.threads,
                .most_in_place = MostInPlace(),
                .most_waiting = options.limiter.max_in_flight},
               [this](const PendingCall& call) { Answer(call); }) {}

grpc::ServerUnaryReactor* PredictionService::Predict(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request,
                                                     grpc::ByteBuffer* response) {
  return Receive(CallKind::kPredict, context, request, response);
}

grpc::ServerUnaryReactor* PredictionService::TopK(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  return Receive(CallKind::kTopK, context, request, response);
}

grpc::ServerUnaryReactor* PredictionService::Receive(CallKind kind,
                                                     grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request,
                                                     grpc::ByteBuffer* response) {
  const std::chrono::nanoseconds time_left = std::min(TimeLeft(*context), longest_budget_);
  const Clock::TimePoint now = SystemClock().Now();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const PendingCall call{.kind = kind,
                         .context = context,
                         .request = request,
                         .response = response,
                         .reactor = reactor,
                         .arrival = now,
                         .deadline = now + time_left,
                         .request_bytes = request->Length()};
  switch (limiter_.Admit(time_left, call.request_bytes)) {
    case Admission::kAdmitted:
      threads_.Run(call);
      break;
    case Admission::kOverLimit:
      Refuse(call, Refusal::kLimit);
      break;
    case Admission::kTooLate:
      Refuse(call, Refusal::kDeadline);
      break;
  }
  return reactor;
}

void PredictionService::Refuse(const PendingCall& call, Refusal why) {
  refusals_.Count(call.kind, why);
  uint64_t suppressed = 0;
  if (refusal_log_limiter_.Allow(call.arrival, &suppressed)) {
    Log(LogLevel::kWarning, "requests_refused",
        {{"reason", why == Refusal::kLimit ? "limit" : "deadline"},
         {"limit", limiter_.limit()},
         {"in_flight", limiter_.in_flight()},
         {"suppressed_lines", suppressed}});
  }
  // Spread by the moment of arrival, which is as good as random.
  const int64_t delay_ms = options_.retry_delay.count();
  const int64_t spread_ms = call.arrival.time_since_epoch().count() / 1000 % (delay_ms + 1);
  call.context->AddTrailingMetadata("grpc-retry-pushback-ms", absl::StrCat(delay_ms + spread_ms));
  call.reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED,
                        why == Refusal::kLimit
                            ? "overloaded: too many requests are under way"
                            : "overloaded: the time left is less than the wait"});
}

void PredictionService::Answer(const PendingCall& call) {
  FinishedRequest finished{.arrival = call.arrival,
                           .started = SystemClock().Now(),
                           .ended = {},
                           .budget = longest_budget_,
                           .bytes = call.request_bytes};
  absl::Status status;
  if (finished.started >= call.deadline || call.context->IsCancelled()) {
    refusals_.Count(call.kind, Refusal::kExpired);
    status = absl::DeadlineExceededError("the time was over before the request was looked at");
    finished.ended = finished.started;
  } else {
    status = call.kind == CallKind::kPredict
                 ? Serve(call, &predict_calls_, &finished.budget,
                         [&](ServedModel* model, PredictCallPool::Call* messages) {
                           return PredictWith(model, call, messages);
                         })
                 : Serve(call, &top_k_calls_, &finished.budget,
                         [&](ServedModel* model, TopKCallPool::Call* messages) {
                           return TopKWith(model, call, messages);
                         });
    finished.ended = SystemClock().Now();
  }
  limiter_.Finish(finished);
  call.reactor->Finish(ToGrpcStatus(status));  // from here on the call is gRPC's
}

template <typename Pool, typename AnswerCall>
absl::Status PredictionService::Serve(const PendingCall& pending, Pool* pool,
                                      std::chrono::nanoseconds* budget, AnswerCall answer) {
  auto call = pool->Take();
  absl::Status status = ParseMessage(*pending.request, &call->request);
  absl::Status id_status =
      SetRequestId(call->request.request_id(), call->response.mutable_request_id());
  if (status.ok()) status = std::move(id_status);
  ServedModel* model = nullptr;
  if (status.ok()) {
    if (model = models_.Find(call->request.model()); model != nullptr) {
      *budget = model->budget;
      call->response.set_model(model->name);
      status = answer(model, call.get());
    } else {
      status = models_.UnknownModelError(call->request.model());
      unknown_model_requests_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (status.ok()) status = SerializeMessage(call->response, pending.response);
  if (status.ok()) {
    LogAnswer(*model, pending, call->response.request_id());
    pool->GiveBack(std::move(call));
  } else {
    pending.context->AddTrailingMetadata("request-id", call->response.request_id());
    LogFailure(status, call->request.model(), call->response.request_id(),
               call->response.version());
  }
  return status;
}

void PredictionService::LogAnswer(const ServedModel& model, const PendingCall& pending,
                                  const std::string& request_id) {
  PredictionLog* const log = model.prediction_log.get();
  if (log != nullptr && log->Samples(request_id))
    log->Put(pending.kind, *pending.request, *pending.response);
}

absl::Status PredictionService::PredictWith(ServedModel* model, const PendingCall& pending,
                                            PredictCallPool::Call* call) {
  const RequestBudget budget = StartBudget(*model, pending, call->request.budget_ms());
  const std::shared_ptr<const loader::Snapshot> snapshot =
      model->loader->slot().Choose(call->response.request_id());
  absl::Status status = snapshot == nullptr
                            ? NoSnapshotError(*model)
                            : server::Predict(*snapshot, options_.limits, budget, call->request,
                                              &call->scratch, &call->response);
  RequestRecord record{
      .code = status.code(), .version = call->response.version(), .latency = budget.Elapsed()};
  if (status.ok()) {
    record.scored_count = call->response.scored_count();
    record.non_finite_count = CountNonFinite(call->response);
    record.incomplete = call->response.incomplete() != v1::INCOMPLETE_UNSPECIFIED;
    record.schema = &snapshot->schema();
    record.unknown_by_field = call->scratch.scorer.unknown_by_field();
    RequestRing* const ring = model->recent_requests.get();
    if (ring != nullptr && ring->Samples(pending.arrival, pending.request_bytes))
      ring->Put(CopyBytes(*pending.request));
  }
  model->metrics.Record(record);
  return status;
}

absl::Status PredictionService::TopKWith(ServedModel* model, const PendingCall& pending,
                                         TopKCallPool::Call* call) {
  const RequestBudget budget = StartBudget(*model, pending, call->request.budget_ms());
  const std::shared_ptr<const loader::Snapshot> snapshot =
      model->loader->slot().Choose(call->response.request_id());
  absl::Status status = snapshot == nullptr
                            ? NoSnapshotError(*model)
                            : server::TopK(*snapshot, options_.limits, budget, call->request,
                                           &call->scratch, &call->response);
  RequestRecord record{
      .code = status.code(), .version = call->response.version(), .latency = budget.Elapsed()};
  if (status.ok()) {
    record.incomplete = call->response.incomplete() != v1::INCOMPLETE_UNSPECIFIED;
    record.schema = &snapshot->schema();
    record.unknown_by_field = call->scratch.scorer.unknown_by_field();
  }
  model->top_k_metrics.Record(record);
  return status;
}

absl::Status PredictionService::SetRequestId(const std::string& asked, std::string* request_id) {
  const bool printable =
      std::all_of(asked.begin(), asked.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!asked.empty() && asked.size() <= kMaxRequestIdBytes && printable) {
    *request_id = asked;
    return absl::OkStatus();
  }
  *request_id = request_id_prefix_;
  absl::StrAppend(request_id, next_request_number_.fetch_add(1, std::memory_order_relaxed));
  if (asked.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("request_id: ", asked.size(), " bytes; at most ",
                                                 kMaxRequestIdBytes,
                                                 " printable ASCII characters are allowed"));
}

void PredictionService::LogFailure(const absl::Status& status, const std::string& model,
                                   const std::string& request_id, uint64_t version) {
  uint64_t suppressed = 0;
  if (!failure_log_limiter_.Allow(SystemClock().Now(), &suppressed)) return;
  Log(LogLevel::kWarning, "request_failed",
      {{"request_id", request_id},
       {"model", model::Quote(model)},
       {"version", version},
       {"code", absl::StatusCodeToString(status.code())},
       {"message", status.message()},
       {"suppressed_lines", suppressed}});
}

grpc::ServerUnaryReactor* PredictionService::GetSchema(grpc::CallbackServerContext* context,
                                                       const v1::GetSchemaRequest* request,
                                                       v1::GetSchemaResponse* response) {
  absl::Status status;
  if (const ServedModel* model = models_.Find(request->model()); model == nullptr) {
    status = models_.UnknownModelError(request->model());
  } else if (const auto snapshot = model->loader->slot().Get(); snapshot == nullptr) {
    status = NoSnapshotError(*model);
  } else {
    response->set_model(model->name);
    response->set_version(snapshot->version());
    AppendSchema(snapshot->schema(), response->mutable_fields());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace fmserve::server
