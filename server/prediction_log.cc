#include "server/prediction_log.h"

#include <unistd.h>

#include <random>
#include <utility>
#include <vector>

#include "fmserve/v1/log.pb.h"
#include "grpcpp/support/slice.h"
#include "loader/thread_priority.h"
#include "server/log.h"
#include "server/log_record.h"
#include "server/used_weights.h"

namespace fmserve::server {
namespace {

// Between two looks at the ring, which nobody rings a bell for: waking a thread costs a request
// more than its record.
constexpr std::chrono::milliseconds kPause{50};
// What a frame holds before compression, besides its last record.
constexpr size_t kFrameBytes = size_t{1} << 20;

uint64_t NowUnixUs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace

PredictionLog::PredictionLog(PredictionLogOptions options, FindSnapshot find_snapshot)
    : options_(std::move(options)),
      find_snapshot_(std::move(find_snapshot)),
      sample_(options_.sample_percent),
      ring_(options_.ring_bytes),
      frame_(options_.compression),
      backoff_(options_.first_retry, options_.last_retry, std::random_device()()),
      thread_([this] { Run(); }) {}

PredictionLog::~PredictionLog() {
  Stop(std::chrono::milliseconds(0));
  thread_.join();
}

void PredictionLog::Put(CallKind kind, const grpc::ByteBuffer& request,
                        const grpc::ByteBuffer& response) {
  thread_local std::vector<grpc::Slice> request_slices;
  thread_local std::vector<grpc::Slice> response_slices;
  if (!request.Dump(&request_slices).ok() || !response.Dump(&response_slices).ok())
    return Count(LogDrop::kSize);
  const LoggedCall call{.kind = kind,
                        .time_unix_us = NowUnixUs(),
                        .request = request_slices,
                        .response = response_slices};
  const size_t bytes = LogRecordBytes(call);
  if (bytes > options_.max_record_bytes || bytes > ring_.max_record_bytes()) {
    Count(LogDrop::kSize);
  } else if (char* const record = ring_.Reserve(bytes); record != nullptr) {
    WriteLogRecord(call, record);
    RecordRing::Commit(record, bytes);
    if (ring_.used_bytes() > ring_.capacity_bytes() / 2 && !half_full_.exchange(true))
      changed_.notify_all();
  } else {
    Count(LogDrop::kRing);
  }
  request_slices.clear();
  response_slices.clear();
}

bool PredictionLog::Stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  return changed_.wait_for(lock, patience, [this] { return ended_; });
}

PredictionLogCounts PredictionLog::Counts() const {
  PredictionLogCounts counts{.records = records_.load(std::memory_order_relaxed),
                             .bytes = bytes_.load(std::memory_order_relaxed),
                             .files_removed = files_removed_.load(std::memory_order_relaxed)};
  for (size_t why = 0; why < kLogDropsCount; ++why)
    counts.dropped[why] = dropped_[why].load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  counts.failing = failing_;
  counts.failures = failures_;
  counts.last_error = last_error_;
  return counts;
}

void PredictionLog::Run() {
  loader::LowerThreadPriority();
  for (bool stopping = false; !stopping;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kPause, [this] { return stopping_ || half_full_.load(); });
      stopping = stopping_;
    }
    half_full_.store(false);
    Drain();
    const auto now = std::chrono::steady_clock::now();
    if (frame_records_ > 0 && now - frame_begun_ >= options_.flush_interval) WriteFrame();
    if (file_.has_value() && now - file_->begun() >= options_.max_file_age) FinishFile();
  }
  FinishFile();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

// At most a ring full, so that what is to be done by the clock is done under any load.
void PredictionLog::Drain() {
  for (size_t bytes = 0; bytes < ring_.capacity_bytes();) {
    const std::optional<std::span<const char>> record = ring_.Front();
    if (!record.has_value()) return;
    bytes += record->size();
    WriteRecord(*record);
    ring_.Pop();
  }
}

void PredictionLog::WriteRecord(std::span<const char> record) {
  if (!OpenFile()) return Count(LogDrop::kDisk);
  if (frame_records_ == 0) frame_begun_ = std::chrono::steady_clock::now();
  const std::string more = MoreOf(record);
  ++frame_records_;
  if (absl::Status status = frame_.Add(record, more); !status.ok()) return Fail(status);
  if (frame_.frame_bytes() >= kFrameBytes) WriteFrame();
}

// What a record has besides what was known on the thread that answered.
std::string PredictionLog::MoreOf(std::span<const char> record) {
  const bool with_weights =
      options_.weights_one_in > 0 && weights_turn_++ % options_.weights_one_in == 0;
  v1::PredictionRecord more;
  if (frame_records_ == 0) {
    if (const auto snapshot = find_snapshot_(0); snapshot != nullptr) {
      for (const model::Field& field : snapshot->schema().fields())
        more.add_field_names(field.name);
    }
  }
  v1::PredictionRecord call;
  if (with_weights && call.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
    const uint64_t version = call.has_predict_response() ? call.predict_response().version()
                                                         : call.top_k_response().version();
    const auto snapshot = find_snapshot_(version);
    if (snapshot != nullptr &&
        !FindUsedWeights(*snapshot, options_.limits, call, more.mutable_weights()))
      more.clear_weights();
  }
  return more.SerializeAsString();
}

// Whether there is a file to write to; a disk that failed is left alone for a while.
bool PredictionLog::OpenFile() {
  if (file_.has_value()) return true;
  if (std::chrono::steady_clock::now() < retry_at_) return false;
  const auto open = [this]() -> absl::Status {
    if (!folder_.has_value()) {
      absl::StatusOr<LogFolder> folder = LogFolder::Open(options_.folder, options_.model);
      if (!folder.ok()) return folder.status();
      folder_.emplace(*std::move(folder));
    }
    const absl::StatusOr<uint64_t> removed =
        folder_->RemoveOldest(options_.max_total_bytes - options_.max_file_bytes);
    if (!removed.ok()) return removed.status();
    files_removed_.fetch_add(*removed, std::memory_order_relaxed);
    absl::StatusOr<LogFile> file =
        LogFile::Create(folder_->NewFile(std::chrono::system_clock::now()),
                        options_.write ? options_.write : WriteFn(::write));
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
    return absl::OkStatus();
  };
  const absl::Status status = open();
  if (!status.ok()) Fail(status);
  return status.ok();
}

void PredictionLog::WriteFrame() {
  const absl::StatusOr<std::span<const char>> frame = frame_.End();
  const absl::Status status = frame.ok() ? file_->Append(*frame) : frame.status();
  if (!status.ok()) return Fail(status);
  records_.fetch_add(frame_records_, std::memory_order_relaxed);
  bytes_.fetch_add(frame->size(), std::memory_order_relaxed);
  frame_records_ = 0;
  backoff_.Reset();
  bool recovered = false;
  {
    const std::lock_guard lock(mutex_);
    recovered = std::exchange(failing_, false);
  }
  if (recovered) Log(LogLevel::kInfo, "prediction_log_recovered", {{"model", options_.model}});
  if (file_->bytes() >= options_.max_file_bytes) FinishFile();
}

void PredictionLog::FinishFile() {
  if (frame_records_ > 0) WriteFrame();
  if (!file_.has_value()) return;
  const absl::Status status = file_->Finish();
  file_.reset();
  if (!status.ok()) Fail(status);
}

// The frame is lost, the file ends with the one before, and the folder is looked at anew: it may
// have gone, or another one may be mounted there.
void PredictionLog::Fail(const absl::Status& status) {
  Count(LogDrop::kDisk, std::exchange(frame_records_, 0));
  frame_.Reset();
  if (file_.has_value()) file_->Finish().IgnoreError();  // else the next Open of the folder does
  file_.reset();
  folder_.reset();
  const std::chrono::milliseconds delay = backoff_.Next();
  retry_at_ = std::chrono::steady_clock::now() + delay;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = !std::exchange(failing_, true);
    ++failures_;
    last_error_ = absl::StatusCodeToString(status.code());
  }
  if (first) {
    Log(LogLevel::kError, "prediction_log_failed",
        {{"model", options_.model}, {"message", status.message()}});
  }
}

}  // namespace fmserve::server
