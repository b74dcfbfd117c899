#include "loader/hashing_copy.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "loader/file_util.h"

namespace fmserve::loader {
namespace {

constexpr std::chrono::milliseconds kLongestSleep{50};

absl::Status SleepFor(TokenBucket::Clock::duration duration, model::Checkpoint checkpoint) {
  const auto end = TokenBucket::Clock::now() + duration;
  for (auto left = duration; left > TokenBucket::Clock::duration::zero();
       left = end - TokenBucket::Clock::now()) {
    std::this_thread::sleep_for(std::min<TokenBucket::Clock::duration>(left, kLongestSleep));
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status HashingCopy::HashWhatIsThere(model::Checkpoint checkpoint) {
  if (file_.size_bytes() == 0) return absl::OkStatus();
  const std::string& path = file_.temporary_path();
  const absl::StatusOr<FileDescriptor> there = OpenRegularFile(path);
  if (!there.ok()) return there.status();
  std::vector<std::byte> buffer(model::kCheckpointBytes);
  while (true) {
    const absl::StatusOr<size_t> count = ReadFull(*there, buffer, path);
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    hash_.Update(std::span(buffer).first(*count));
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  // So that a mapping reads it from the disk, in large pages (model::AtomicFile::Writing).
  posix_fadvise(there->get(), 0, 0, POSIX_FADV_DONTNEED);
  return absl::OkStatus();
}

absl::Status HashingCopy::Append(std::span<const std::byte> bytes, model::Checkpoint checkpoint) {
  if (file_.size_bytes() > max_bytes_ || bytes.size() > max_bytes_ - file_.size_bytes()) {
    too_long_ = true;
    return absl::OutOfRangeError(absl::StrCat("more than ", max_bytes_, " bytes"));
  }
  hash_.Update(bytes);
  absl::Status status = file_.Append(bytes);
  if (status.ok()) status = checkpoint();
  if (!status.ok()) return status;
  return SleepFor(limit_.Take(bytes.size(), TokenBucket::Clock::now()), checkpoint);
}

}  // namespace fmserve::loader
