// Where requests are answered, and where they wait until then.
#ifndef FMSERVE_SERVER_SCORING_THREADS_H_
#define FMSERVE_SERVER_SCORING_THREADS_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "server/request_budget.h"

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
class ServerUnaryReactor;
}  // namespace grpc

namespace fmserve::server {

enum class CallKind : uint8_t { kPredict, kTopK };
inline constexpr size_t kCallKindsCount = 2;

// An admitted call, unparsed. What it points to is gRPC's until the reactor is finished.
struct PendingCall {
  CallKind kind = CallKind::kPredict;
  grpc::CallbackServerContext* context = nullptr;
  const grpc::ByteBuffer* request = nullptr;
  grpc::ByteBuffer* response = nullptr;
  grpc::ServerUnaryReactor* reactor = nullptr;
  Clock::TimePoint arrival = {};
  Clock::TimePoint deadline = {};  // nobody waits for the answer after it
  uint64_t request_bytes = 0;
};

struct ScoringOptions {
  size_t threads = 1;        // at least 1
  size_t most_in_place = 0;  // callers of Run that answer themselves at the same time
  size_t most_waiting = 1;
};

// Answers a call in the thread that brings it while few do so and nobody waits, which costs
// nothing; else in one of its own threads, first come, first served. So a thread of gRPC is always
// free to read what comes next, and whoever waits, waits here, where it is seen. Safe from any
// thread.
class ScoringThreads {
 public:
  using Answer = std::function<void(const PendingCall&)>;

  // `answer` is called from several threads at once.
  ScoringThreads(const ScoringOptions& options, Answer answer);

  // Answers what waits first. Nobody may call Run any more.
  ~ScoringThreads();
  ScoringThreads(const ScoringThreads&) = delete;
  ScoringThreads& operator=(const ScoringThreads&) = delete;

  // At most most_waiting calls that were given to it and not answered yet.
  void Run(const PendingCall& call);

 private:
  bool TakePlace();
  void Push(const PendingCall& call);
  void Work();

  const size_t most_in_place_;
  const Answer answer_;
  std::atomic<size_t> in_place_{0};
  std::atomic<size_t> waiting_{0};  // changed under the mutex
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<PendingCall> ring_;
  size_t first_ = 0;  // index in the ring
  size_t idle_threads_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_SCORING_THREADS_H_
