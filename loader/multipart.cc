#include "loader/multipart.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

constexpr int kAttempts = 5;
constexpr milliseconds kFirstDelay{200};  // twice as long before each further attempt
constexpr milliseconds kMaxDelay{10'000};

bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// Small enough to send again, large enough for all of it in so many parts.
uint64_t PartBytes(uint64_t size_bytes) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  const uint64_t least = size_bytes / MultipartUpload::kMaxParts + 1;
  return std::max(MultipartUpload::kMinPartBytes, (least + kMiB - 1) / kMiB * kMiB);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MultipartUpload>> MultipartUpload::Begin(
    std::shared_ptr<s3::Client> client, std::string key, uint64_t size_bytes) {
  absl::StatusOr<std::string> upload_id = client->CreateUpload(key);
  if (!upload_id.ok()) return upload_id.status();
  return std::unique_ptr<MultipartUpload>(new MultipartUpload(
      std::move(client), std::move(key), *std::move(upload_id), PartBytes(size_bytes)));
}

MultipartUpload::MultipartUpload(std::shared_ptr<s3::Client> client, std::string key,
                                 std::string upload_id, uint64_t part_bytes)
    : client_(std::move(client)),
      key_(std::move(key)),
      upload_id_(std::move(upload_id)),
      part_bytes_(part_bytes) {
  for (int i = 0; i < kParallel; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { Work(stop); });
}

MultipartUpload::~MultipartUpload() {
  StopThreads();
  if (!completed_) client_->AbortUpload(key_, upload_id_).IgnoreError();
}

void MultipartUpload::StopThreads() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void MultipartUpload::Work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty() && failure_.ok(); })) {
    const auto part = waiting_.extract(waiting_.begin());
    ++sending_;
    lock.unlock();
    const absl::Status status = SendPatiently(part.key(), part.mapped(), stop);
    lock.lock();
    --sending_;
    if (!status.ok() && failure_.ok()) failure_ = status;
    changed_.notify_all();
  }
}

absl::Status MultipartUpload::SendPatiently(int number, const std::vector<std::byte>& part,
                                            const std::stop_token& stop) {
  milliseconds delay = kFirstDelay;
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<std::string> etag = client_->UploadPart(key_, upload_id_, number, part, stop);
    std::unique_lock lock(mutex_);
    if (etag.ok()) {
      etags_[static_cast<size_t>(number) - 1] = *std::move(etag);
      return absl::OkStatus();
    }
    if (!IsPassing(etag.status()) || attempt == kAttempts) return etag.status();
    const milliseconds wished(
        absl::ToInt64Milliseconds(s3::RetryAfter(etag.status()).value_or(absl::ZeroDuration())));
    changed_.wait_for(lock, stop, std::min(std::max(delay, wished), kMaxDelay),
                      [&] { return stop.stop_requested(); });
    delay *= 2;
  }
}

absl::Status MultipartUpload::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (filling_.empty()) filling_.reserve(part_bytes_);
    const size_t taken = std::min<size_t>(bytes.size(), part_bytes_ - filling_.size());
    filling_.insert(filling_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (filling_.size() < part_bytes_) break;
    if (absl::Status status = HandOver(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status MultipartUpload::HandOver() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return !failure_.ok() || static_cast<int>(waiting_.size()) + sending_ < kParallel;
  });
  if (!failure_.ok()) return failure_;
  etags_.emplace_back();
  waiting_[static_cast<int>(etags_.size())] = std::exchange(filling_, {});
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status MultipartUpload::Complete() {
  if (!filling_.empty()) {
    if (absl::Status status = HandOver(); !status.ok()) return status;
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !failure_.ok() || (waiting_.empty() && sending_ == 0); });
    if (!failure_.ok()) return failure_;
  }
  StopThreads();
  const absl::StatusOr<std::string> etag =
      client_->CompleteUpload(key_, upload_id_, etags_, {.if_none_match = "*"});
  completed_ = etag.ok();
  return etag.status();
}

}  // namespace fmserve::loader
