#include "server/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "server/log_folder.h"
#include "server/log_record.h"

namespace fmserve::server {
namespace {

// Chosen by bench/prediction_log.sh.
constexpr int kFastLevel = -50;
constexpr int kSmallLevel = 3;
constexpr size_t kFirstOutBytes = size_t{64} << 10;
constexpr mode_t kFileMode = 0640;

absl::Status Failed(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

}  // namespace

FrameEncoder::FrameEncoder(LogCompression compression) : context_(ZSTD_createCCtx()) {
  if (context_ == nullptr) return;  // Feed says so
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel,
                         compression == LogCompression::kFast ? kFastLevel : kSmallLevel);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
}

absl::Status FrameEncoder::Add(std::span<const char> record, std::string_view more) {
  prefix_.clear();
  AppendVarint(record.size() + more.size(), &prefix_);
  frame_bytes_ += prefix_.size() + record.size() + more.size();
  absl::Status status = Feed(prefix_.data(), prefix_.size(), ZSTD_e_continue);
  if (status.ok()) status = Feed(record.data(), record.size(), ZSTD_e_continue);
  if (status.ok() && !more.empty()) status = Feed(more.data(), more.size(), ZSTD_e_continue);
  return status;
}

absl::StatusOr<std::span<const char>> FrameEncoder::End() {
  absl::Status status = Feed("", 0, ZSTD_e_end);
  const std::span<const char> frame(out_.data(), out_bytes_);
  Reset();
  if (!status.ok()) return status;
  return frame;
}

void FrameEncoder::Reset() {
  if (context_ != nullptr) ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only);
  out_bytes_ = 0;
  frame_bytes_ = 0;
}

absl::Status FrameEncoder::Feed(const char* data, size_t bytes, ZSTD_EndDirective directive) {
  if (context_ == nullptr) return absl::ResourceExhaustedError("no memory for zstd");
  ZSTD_inBuffer in = {data, bytes, 0};
  for (;;) {
    if (out_bytes_ == out_.size()) out_.resize(std::max(kFirstOutBytes, 2 * out_.size()));
    ZSTD_outBuffer out = {out_.data(), out_.size(), out_bytes_};
    const size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    out_bytes_ = out.pos;
    if (ZSTD_isError(left) != 0)
      return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(left)));
    if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return absl::OkStatus();
  }
}

absl::StatusOr<LogFile> LogFile::Create(const std::string& path, WriteFn write) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
  if (fd < 0) return Failed(path, "create");
  return LogFile(path, loader::FileDescriptor(fd), std::move(write));
}

absl::Status LogFile::Append(std::span<const char> frame) {
  struct stat status = {};
  if (fstat(file_.get(), &status) != 0) return Failed(path_, "stat");
  if (status.st_nlink == 0)
    return absl::NotFoundError(absl::StrCat(path_, ": somebody has removed it"));
  size_t done = 0;
  while (done < frame.size()) {
    const ssize_t count = write_(file_.get(), frame.data() + done, frame.size() - done);
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (count == 0 || errno != EINTR) {
      if (count == 0) errno = ENOSPC;
      absl::Status failed = Failed(path_, "write");
      // Best effort: readers leave the part of a frame out.
      const bool cut = ftruncate(file_.get(), static_cast<off_t>(bytes_)) == 0 &&
                       lseek(file_.get(), static_cast<off_t>(bytes_), SEEK_SET) >= 0;
      if (!cut) bytes_ += done;
      return failed;
    }
  }
  bytes_ += frame.size();
  return absl::OkStatus();
}

absl::Status LogFile::Finish() {
  if (bytes_ == 0) {
    unlink(path_.c_str());
    return absl::OkStatus();
  }
  if (fdatasync(file_.get()) != 0) return Failed(path_, "synchronise");
  return LogFolder::FinishFile(path_);
}

}  // namespace fmserve::server
