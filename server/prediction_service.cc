#include "server/prediction_service.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/text.h"
#include "server/grpc_util.h"
#include "server/schema_message.h"

namespace fmserve::server {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;
constexpr double kFailureLinesPerSecond = 10.0;

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

RequestBudget StartBudget(const ServedModel& model, const grpc::CallbackServerContext& context,
                          uint32_t asked_ms) {
  return RequestBudget::Start(SystemClock(), model.budget, std::chrono::milliseconds(asked_ms),
                              TimeLeft(context));
}

}  // namespace

PredictionService::PredictionService(const ServedModels& models, const RequestLimits& limits)
    : models_(models),
      limits_(limits),
      request_id_prefix_(RandomPrefix()),
      failure_log_limiter_(kFailureLinesPerSecond) {
  SetMessageAllocatorFor_Predict(&predict_calls_);
  SetMessageAllocatorFor_TopK(&top_k_calls_);
}

template <typename Pool, typename Request, typename Response, typename Answer>
grpc::ServerUnaryReactor* PredictionService::Serve(grpc::CallbackServerContext* context,
                                                   const Request& request, Response* response,
                                                   Answer answer) {
  auto* call = static_cast<typename Pool::Call*>(context->GetRpcAllocatorState());
  absl::Status status = SetRequestId(request.request_id(), response->mutable_request_id());
  if (status.ok()) {
    if (ServedModel* model = models_.Find(request.model()); model != nullptr) {
      response->set_model(model->name);
      status = answer(model, &call->scratch());
    } else {
      status = models_.UnknownModelError(request.model());
      unknown_model_requests_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (status.ok()) {
    call->AnsweredWell();
  } else {
    context->AddTrailingMetadata("request-id", response->request_id());
    LogFailure(status, request.model(), response->request_id(), response->version());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* PredictionService::Predict(grpc::CallbackServerContext* context,
                                                     const v1::PredictRequest* request,
                                                     v1::PredictResponse* response) {
  return Serve<PredictCallPool>(context, *request, response,
                                [&](ServedModel* model, PredictScratch* scratch) {
                                  return PredictWith(model, *context, *request, scratch, response);
                                });
}

grpc::ServerUnaryReactor* PredictionService::TopK(grpc::CallbackServerContext* context,
                                                  const v1::TopKRequest* request,
                                                  v1::TopKResponse* response) {
  return Serve<TopKCallPool>(context, *request, response,
                             [&](ServedModel* model, TopKScratch* scratch) {
                               return TopKWith(model, *context, *request, scratch, response);
                             });
}

absl::Status PredictionService::PredictWith(ServedModel* model,
                                            const grpc::CallbackServerContext& context,
                                            const v1::PredictRequest& request,
                                            PredictScratch* scratch,
                                            v1::PredictResponse* response) {
  const RequestBudget budget = StartBudget(*model, context, request.budget_ms());
  const std::shared_ptr<const loader::Snapshot> snapshot = model->loader->slot().Get();
  absl::Status status =
      snapshot == nullptr ? NoSnapshotError(*model)
                          : server::Predict(*snapshot, limits_, budget, request, scratch, response);
  RequestRecord record{
      .code = status.code(), .version = response->version(), .latency = budget.Elapsed()};
  if (status.ok()) {
    record.scored_count = response->scored_count();
    record.incomplete = response->incomplete() != v1::INCOMPLETE_UNSPECIFIED;
    record.schema = &snapshot->schema();
    record.unknown_by_field = scratch->scorer.unknown_by_field();
  }
  model->metrics.Record(record);
  return status;
}

absl::Status PredictionService::TopKWith(ServedModel* model,
                                         const grpc::CallbackServerContext& context,
                                         const v1::TopKRequest& request, TopKScratch* scratch,
                                         v1::TopKResponse* response) {
  const RequestBudget budget = StartBudget(*model, context, request.budget_ms());
  const std::shared_ptr<const loader::Snapshot> snapshot = model->loader->slot().Get();
  absl::Status status = snapshot == nullptr
                            ? NoSnapshotError(*model)
                            : server::TopK(*snapshot, limits_, budget, request, scratch, response);
  RequestRecord record{
      .code = status.code(), .version = response->version(), .latency = budget.Elapsed()};
  if (status.ok()) {
    record.incomplete = response->incomplete() != v1::INCOMPLETE_UNSPECIFIED;
    record.schema = &snapshot->schema();
    record.unknown_by_field = scratch->scorer.unknown_by_field();
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
