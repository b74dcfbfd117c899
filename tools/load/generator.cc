#include "tools/load/generator.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "fmserve/v1/prediction.grpc.pb.h"

namespace fmserve::tools {
namespace {

using Clock = std::chrono::steady_clock;
using fmserve::v1::PredictResponse;
using fmserve::v1::TopKResponse;
using grpc::ByteBuffer;
using Stub = grpc::TemplatedGenericStub<ByteBuffer, ByteBuffer>;

constexpr std::chrono::milliseconds kLongestSleep{20};  // between two looks at the end conditions

struct Call {
  grpc::ClientContext context;
  grpc::Status status;
  ByteBuffer response;
  std::unique_ptr<grpc::ClientAsyncResponseReader<ByteBuffer>> reader;
  Clock::time_point intended;
  uint32_t request = 0;
};

std::string MethodPath(LoadMethod method) {
  return method == LoadMethod::kTopK ? "/fmserve.v1.PredictionService/TopK"
                                     : "/fmserve.v1.PredictionService/Predict";
}

uint32_t ScoredCount(const PredictResponse& response) {
  return std::min(response.scored_count(), static_cast<uint32_t>(response.predictions_size()));
}
uint32_t ScoredCount(const TopKResponse& response) {
  return static_cast<uint32_t>(response.predictions_size());
}

// What the record says of an answer; false when the bytes are no Response.
template <typename Response>
bool ReadAnswer(ByteBuffer& bytes, bool with_fingerprint, LoadRecord& record) {
  Response response;
  if (!grpc::SerializationTraits<Response>::Deserialize(&bytes, &response).ok()) return false;
  record.partial = response.incomplete() != fmserve::v1::INCOMPLETE_UNSPECIFIED;
  record.version = response.version();
  record.scored_count = ScoredCount(response);
  if (with_fingerprint)
    record.fingerprint = Fingerprint(response.predictions().data(), record.scored_count);
  return true;
}

// The calling thread sends, one more thread completes. Each owns what it counts until both are
// done.
class Run {
 public:
  Run(const LoadOptions& options, const std::vector<std::string>& requests,
      const std::atomic<bool>& stop)
      : options_(options), stop_(stop), path_(MethodPath(options.method)) {
    for (const std::string& request : requests) {
      const grpc::Slice slice(request);
      requests_.emplace_back(&slice, 1);
    }
  }

  absl::Status Connect();
  LoadResult Execute();

 private:
  bool Ended(Clock::time_point now);
  void SendOnSchedule();
  void StartClosedLoop();
  void StartCall(Clock::time_point intended);
  void CompleteCalls();
  void Complete(Call& call, Clock::time_point now);

  const LoadOptions& options_;
  const std::atomic<bool>& stop_;
  const std::string path_;
  std::vector<ByteBuffer> requests_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<Stub>> stubs_;
  grpc::CompletionQueue queue_;
  Clock::time_point start_;
  Clock::time_point next_look_;
  bool until_file_seen_ = false;
  std::atomic<uint64_t> started_{0};
  std::atomic<uint64_t> completed_{0};
  std::vector<LoadRecord> overloads_;  // the sending thread's
  uint64_t overloads_count_ = 0;       // likewise
  LoadResult result_;                  // the completing thread's
};

absl::Status Run::Connect() {
  for (uint32_t i = 0; i < std::max<uint32_t>(1, options_.connections); ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetMaxReceiveMessageSize(-1);
    channels_.push_back(
        grpc::CreateCustomChannel(options_.target, grpc::InsecureChannelCredentials(), arguments));
    stubs_.push_back(std::make_unique<Stub>(channels_.back()));
  }
  const auto deadline = std::chrono::system_clock::now() + options_.connect_timeout;
  for (const auto& channel : channels_) {
    if (!channel->WaitForConnected(deadline)) {
      return absl::UnavailableError(absl::StrCat("no server answers at ", options_.target,
                                                 " (waited ", options_.connect_timeout.count(),
                                                 " ms)"));
    }
  }
  return absl::OkStatus();
}

bool Run::Ended(Clock::time_point now) {
  if (stop_.load(std::memory_order_relaxed)) return true;
  if (options_.max_requests > 0 &&
      started_.load(std::memory_order_relaxed) >= options_.max_requests)
    return true;
  if (options_.duration.count() > 0 && now - start_ >= options_.duration) return true;
  if (!options_.until_file.empty() && now >= next_look_) {
    until_file_seen_ = access(options_.until_file.c_str(), F_OK) == 0;
    next_look_ = now + kLongestSleep;
  }
  return until_file_seen_;
}

void Run::SendOnSchedule() {
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);  // wake up within 1 us instead of 50
  SendSchedule schedule(options_.rate_per_s, options_.arrivals, options_.seed);
  for (;;) {
    const Clock::time_point due = start_ + schedule.Next();
    Clock::time_point now = Clock::now();
    while (now < due) {
      if (Ended(now)) return;
      std::this_thread::sleep_until(std::min(due, now + kLongestSleep));
      now = Clock::now();
    }
    // A sender that lags sends what was due before the end, and nothing else.
    if (Ended(std::min(now, due))) return;
    StartCall(due);
  }
}

// Before the completing thread exists, so that max_requests is exact.
void Run::StartClosedLoop() {
  for (uint32_t i = 0; i < options_.closed_loop && !Ended(start_); ++i) StartCall(Clock::now());
}

void Run::StartCall(Clock::time_point intended) {
  const uint64_t number = started_.fetch_add(1);
  const auto request = static_cast<uint32_t>(number % requests_.size());
  if (options_.closed_loop == 0 && number - completed_.load() >= options_.max_outstanding) {
    completed_.fetch_add(1);
    ++overloads_count_;
    if (options_.keep_records) {
      overloads_.push_back({.intended_ns = (intended - start_).count(),
                            .request = request,
                            .outcome = kClientOverload});
    }
    return;
  }
  auto call = std::make_unique<Call>();
  call->intended = intended;
  call->request = request;
  call->context.set_deadline(std::chrono::system_clock::now() + options_.timeout);
  Stub& stub = *stubs_[number % stubs_.size()];
  call->reader = stub.PrepareUnaryCall(&call->context, path_, requests_[request], &queue_);
  call->reader->StartCall();
  Call* tag = call.release();  // CompleteCalls takes it back
  tag->reader->Finish(&tag->response, &tag->status, tag);
}

void Run::CompleteCalls() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    const Clock::time_point now = Clock::now();
    Complete(*call, now);
    if (options_.closed_loop > 0 && !Ended(now)) StartCall(now);
    completed_.fetch_add(1);
  }
}

void Run::Complete(Call& call, Clock::time_point now) {
  LoadRecord record{
      .intended_ns = (call.intended - start_).count(),
      .latency_us =
          std::chrono::duration_cast<std::chrono::microseconds>(now - call.intended).count(),
      .request = call.request,
      .outcome = call.status.error_code()};
  if (call.status.ok()) {
    const bool readable =
        options_.method == LoadMethod::kTopK
            ? ReadAnswer<TopKResponse>(call.response, options_.keep_records, record)
            : ReadAnswer<PredictResponse>(call.response, options_.keep_records, record);
    if (!readable) record.outcome = grpc::StatusCode::INTERNAL;
  }
  const bool ok = record.outcome == grpc::StatusCode::OK;
  if (ok) {
    ++result_.ok;
    if (record.partial) ++result_.partial;
    ++result_.versions[record.version];
  } else {
    ++result_.errors[record.outcome];
  }
  if (ok || record.outcome == grpc::StatusCode::DEADLINE_EXCEEDED) {
    result_.latency.Record(record.latency_us);
  }
  if (options_.keep_records) result_.records.push_back(record);
}

LoadResult Run::Execute() {
  result_.started = std::chrono::system_clock::now();
  start_ = Clock::now();
  next_look_ = start_;
  StartClosedLoop();
  std::jthread completer([this] { CompleteCalls(); });
  if (options_.closed_loop == 0) SendOnSchedule();
  // Open loop: until every call is answered or past its deadline. Closed loop: until none starts
  // another.
  while (completed_.load() < started_.load())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  result_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  queue_.Shutdown();
  completer.join();
  result_.sent = started_.load();
  if (overloads_count_ > 0) result_.errors[kClientOverload] = overloads_count_;
  result_.records.insert(result_.records.end(), overloads_.begin(), overloads_.end());
  return std::move(result_);
}

}  // namespace

std::string OutcomeName(int outcome) {
  if (outcome == kClientOverload) return "client_overload";
  return absl::AsciiStrToLower(absl::StatusCodeToString(static_cast<absl::StatusCode>(outcome)));
}

uint64_t Fingerprint(const float* predictions, size_t count) {
  return XXH3_64bits(predictions, count * sizeof(float));
}

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options,
                                   const std::vector<std::string>& requests,
                                   const std::atomic<bool>& stop) {
  Run run(options, requests, stop);
  if (absl::Status status = run.Connect(); !status.ok()) return status;
  return run.Execute();
}

}  // namespace fmserve::tools
