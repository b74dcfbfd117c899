// Sends prepared requests to a server and notes what became of each.
//
// Open loop: requests leave at the times of a SendSchedule, and their latency counts from that
// time, not from when this program got round to sending. A server that stalls therefore shows the
// stall in every request that would have been sent meanwhile, as its users would see it (no
// coordinated omission; Gil Tene, "How NOT to Measure Latency"). Closed loop: a fixed number of
// requests is always outstanding, which measures the highest throughput.
#ifndef FMSERVE_TOOLS_LOAD_GENERATOR_H_
#define FMSERVE_TOOLS_LOAD_GENERATOR_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load/histogram.h"
#include "tools/load/schedule.h"

namespace fmserve::tools {

// What the requests are, and what answers them.
enum class LoadMethod : uint8_t {
  kPredict,  // PredictRequest, PredictResponse
  kTopK,     // TopKRequest, TopKResponse
};

struct LoadOptions {
  std::string target = {};  // HOST:PORT or unix:PATH
  LoadMethod method = LoadMethod::kPredict;
  double rate_per_s = 1000.0;  // open loop
  Arrivals arrivals = Arrivals::kPoisson;
  uint64_t seed = 1;
  uint32_t closed_loop = 0;                 // requests outstanding; 0: open loop
  std::chrono::milliseconds duration{0};    // 0: without end
  std::string until_file = {};              // ends when this file exists; "" for none
  uint64_t max_requests = 0;                // ends after so many; 0: without end
  std::chrono::milliseconds timeout{1000};  // gRPC deadline of each request
  std::chrono::milliseconds connect_timeout{5000};
  uint32_t max_outstanding = 10000;  // what the schedule sends beyond is a client_overload
  uint32_t connections = 4;
  bool keep_records = false;
};

// How a request ended: a gRPC status code, or kClientOverload.
inline constexpr int kClientOverload = 100;
std::string OutcomeName(int outcome);  // "ok", "deadline_exceeded", …, "client_overload"

struct LoadRecord {
  int64_t intended_ns = 0;  // when it was to be sent, from the beginning of the run
  int64_t latency_us =
      0;                 // from the intended time to the end of the response; 0 for kClientOverload
  uint64_t version = 0;  // that answered; 0: none
  uint64_t fingerprint = 0;   // of the first scored_count predictions, see Fingerprint()
  uint32_t request = 0;       // index of the prepared request
  uint32_t scored_count = 0;  // of TopK: items that came back
  int outcome = 0;
  bool partial = false;  // as the response says itself
};

struct LoadResult {
  uint64_t sent = 0;  // that were due, those of client_overload included
  uint64_t ok = 0;
  uint64_t partial =
      0;  // of the ok ones, those that ran out of time before the last candidate or item
  std::map<int, uint64_t> errors;         // by outcome
  std::map<uint64_t, uint64_t> versions;  // ok responses by version
  LatencyHistogram latency;               // of requests that were answered or timed out
  std::chrono::system_clock::time_point started;
  double seconds = 0.0;             // from the start to the last response
  std::vector<LoadRecord> records;  // in the order of completion; empty unless keep_records
};

// A 64-bit hash of the predictions' bits: equal for equal predictions.
uint64_t Fingerprint(const float* predictions, size_t count);

// Sends `requests` (serialized messages of the options' method, at least one) in turn until an end
// condition of the options holds or `stop` becomes true, then waits for the outstanding ones.
// Unavailable when the server cannot be reached within connect_timeout.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options,
                                   const std::vector<std::string>& requests,
                                   const std::atomic<bool>& stop);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_GENERATOR_H_
