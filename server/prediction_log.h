// The log of what was asked and answered: from the threads that answer, through a ring, to files
// that one thread writes.
#ifndef FMSERVE_SERVER_PREDICTION_LOG_H_
#define FMSERVE_SERVER_PREDICTION_LOG_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "loader/backoff.h"
#include "loader/snapshot.h"
#include "server/log_file.h"
#include "server/log_folder.h"
#include "server/log_sample.h"
#include "server/record_ring.h"
#include "server/request_decoder.h"
#include "server/scoring_threads.h"

namespace fmserve::server {

struct PredictionLogOptions {
  std::string model = {};
  std::string folder = {};
  double sample_percent = 1.0;
  uint32_t weights_one_in = 0;  // 0: no record has the weights
  size_t ring_bytes = size_t{16} << 20;
  size_t max_record_bytes = size_t{512} << 10;
  std::chrono::milliseconds flush_interval{1000};
  uint64_t max_file_bytes = uint64_t{128} << 20;
  std::chrono::milliseconds max_file_age{3600 * 1000};
  uint64_t max_total_bytes = uint64_t{10} << 30;
  LogCompression compression = LogCompression::kFast;
  RequestLimits limits = {};  // of the server, to read requests by

  // After a failure: when the disk is tried again, from the first to the second.
  std::chrono::milliseconds first_retry{1000};
  std::chrono::milliseconds last_retry{60000};
  WriteFn write = {};  // empty: write(2)
};

// Why a record is not in a file.
enum class LogDrop : uint8_t {
  kRing,  // the ring was full: the writer or the disk was slower than the requests
  kSize,  // it was larger than max_record_bytes
  kDisk,  // it could not be written, or the disk was not tried again yet
};
inline constexpr size_t kLogDropsCount = 3;

struct PredictionLogCounts {
  uint64_t records = 0;  // in files
  uint64_t bytes = 0;    // of these files
  std::array<uint64_t, kLogDropsCount> dropped = {};
  uint64_t files_removed = 0;
  bool failing = false;         // the last try to write failed
  uint64_t failures = 0;        // tries that failed
  std::string last_error = {};  // code of the last one: "RESOURCE_EXHAUSTED"; "" when none has
};

// Put may be called from any thread; it never waits and allocates nothing once it has seen such a
// request. The folder is opened by the writer's thread, when the first record comes.
class PredictionLog {
 public:
  // What serves: the snapshot of this version, the current one for version 0; null when it has
  // gone.
  using FindSnapshot = std::function<std::shared_ptr<const loader::Snapshot>(uint64_t version)>;

  PredictionLog(PredictionLogOptions options, FindSnapshot find_snapshot);
  // Waits until everything is written, for as long as the disk takes.
  ~PredictionLog();
  PredictionLog(const PredictionLog&) = delete;
  PredictionLog& operator=(const PredictionLog&) = delete;

  // Whether the request with this id is one to Put.
  bool Samples(std::string_view request_id) const { return sample_.Has(request_id); }

  // A call that was answered now, as it came and went.
  void Put(CallKind kind, const grpc::ByteBuffer& request, const grpc::ByteBuffer& response);

  // Writes what was put and finishes the file; nothing may be put from here on. Returns false when
  // that takes longer than `patience`; it goes on then.
  bool Stop(std::chrono::milliseconds patience);

  PredictionLogCounts Counts() const;

 private:
  void Run();
  void Drain();
  void WriteRecord(std::span<const char> record);
  bool OpenFile();
  // Ends the frame and appends it to the file.
  void WriteFrame();
  void FinishFile();
  void Fail(const absl::Status& status);
  std::string MoreOf(std::span<const char> record);
  void Count(LogDrop why, uint64_t records = 1) {
    dropped_[static_cast<size_t>(why)].fetch_add(records, std::memory_order_relaxed);
  }

  const PredictionLogOptions options_;
  const FindSnapshot find_snapshot_;
  const LogSample sample_;
  RecordRing ring_;
  std::array<std::atomic<uint64_t>, kLogDropsCount> dropped_ = {};
  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> files_removed_{0};

  // Of the writer's thread alone.
  std::optional<LogFolder> folder_;
  std::optional<LogFile> file_;
  FrameEncoder frame_;
  uint64_t frame_records_ = 0;
  std::chrono::steady_clock::time_point frame_begun_;
  uint64_t weights_turn_ = 0;
  loader::Backoff backoff_;
  std::chrono::steady_clock::time_point retry_at_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  bool ended_ = false;
  bool failing_ = false;
  uint64_t failures_ = 0;
  std::string last_error_;

  std::atomic<bool> half_full_{false};  // the writer is to come early
  std::thread thread_;                  // last: it uses all the others
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PREDICTION_LOG_H_
