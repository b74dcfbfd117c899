#include "trainer/input_stream.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kInputBytes = size_t{256} << 10;
constexpr std::string_view kGzipMagic("\x1f\x8b", 2);
constexpr std::string_view kZstdMagic("\x28\xb5\x2f\xfd", 4);
constexpr int kGzipWindowBits = 16 + MAX_WBITS;  // 16: expect a gzip header

// An open file and the bytes of it that were read but not used yet.
class File {
 public:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  File(File&& other) noexcept
      : path_(std::move(other.path_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        buffer_(std::move(other.buffer_)),
        unused_(other.unused_) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  const std::string& path() const { return path_; }
  std::string_view unused() const { return unused_; }
  void Use(size_t bytes) { unused_.remove_prefix(bytes); }

  absl::StatusOr<size_t> Read(std::span<char> buffer) {
    for (;;) {
      const ssize_t count = read(descriptor_, buffer.data(), buffer.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path_));
    }
  }

  // Makes unused() non-empty; false at the end of the file.
  absl::StatusOr<bool> Fill() {
    if (!unused_.empty()) return true;
    buffer_.resize(kInputBytes);
    const absl::StatusOr<size_t> count = Read(buffer_);
    if (!count.ok()) return count.status();
    unused_ = {buffer_.data(), *count};
    return *count > 0;
  }

  absl::Status Damaged(const char* what) const {
    return absl::DataLossError(absl::StrCat(path_, ": ", what));
  }

 private:
  std::string path_;
  int descriptor_;
  std::vector<char> buffer_;
  std::string_view unused_;
};

class PlainStream : public InputStream {
 public:
  explicit PlainStream(File file) : file_(std::move(file)) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    const std::string_view unused = file_.unused();
    if (unused.empty()) return file_.Read(buffer);
    const size_t count = unused.copy(buffer.data(), buffer.size());
    file_.Use(count);
    return count;
  }

 private:
  File file_;
};

class GzipStream : public InputStream {
 public:
  explicit GzipStream(File file) : file_(std::move(file)) {
    initialized_ = inflateInit2(&inflate_, kGzipWindowBits) == Z_OK;
  }
  ~GzipStream() override {
    if (initialized_) inflateEnd(&inflate_);
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (!initialized_) return absl::ResourceExhaustedError("no memory for zlib");
    buffer = buffer.first(std::min(buffer.size(), kInputBytes));
    inflate_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    inflate_.avail_out = static_cast<uInt>(buffer.size());
    while (inflate_.avail_out == buffer.size()) {
      const absl::StatusOr<bool> more = file_.Fill();
      if (!more.ok()) return more.status();
      if (!*more) {
        if (inside_member_) return file_.Damaged("the gzip data ends early");
        break;
      }
      if (absl::Status status = Inflate(); !status.ok()) return status;
    }
    return buffer.size() - inflate_.avail_out;
  }

 private:
  absl::Status Inflate() {
    const std::string_view input = file_.unused();
    inflate_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    inflate_.avail_in = static_cast<uInt>(input.size());
    const int result = inflate(&inflate_, Z_NO_FLUSH);
    file_.Use(input.size() - inflate_.avail_in);
    inside_member_ = result == Z_OK;
    if (result == Z_STREAM_END) {  // a gzip file may be several, one after the other
      inflateReset(&inflate_);
      return absl::OkStatus();
    }
    return result == Z_OK ? absl::OkStatus() : file_.Damaged("the gzip data is damaged");
  }

  File file_;
  z_stream inflate_ = {};
  bool initialized_ = false;
  bool inside_member_ = false;
};

class ZstdStream : public InputStream {
 public:
  explicit ZstdStream(File file) : file_(std::move(file)), context_(ZSTD_createDCtx()) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    if (context_ == nullptr) return absl::ResourceExhaustedError("no memory for zstd");
    ZSTD_outBuffer output = {buffer.data(), buffer.size(), 0};
    while (output.pos == 0) {
      const absl::StatusOr<bool> more = file_.Fill();
      if (!more.ok()) return more.status();
      // At the end of the file an empty input flushes what the decoder still holds.
      ZSTD_inBuffer input = {file_.unused().data(), file_.unused().size(), 0};
      if (!*more && !inside_frame_) break;
      const size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(result) != 0) return file_.Damaged(ZSTD_getErrorName(result));
      file_.Use(input.pos);
      inside_frame_ = result != 0;
      if (!*more && output.pos == 0 && inside_frame_) {
        return file_.Damaged("the zstd data ends early");
      }
    }
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  File file_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  bool inside_frame_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<InputStream>> InputStream::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  File file(path, descriptor);
  if (const absl::StatusOr<bool> filled = file.Fill(); !filled.ok()) return filled.status();
  const std::string_view head = file.unused();
  if (head.starts_with(kGzipMagic)) return std::make_unique<GzipStream>(std::move(file));
  if (head.starts_with(kZstdMagic)) return std::make_unique<ZstdStream>(std::move(file));
  return std::make_unique<PlainStream>(std::move(file));
}

}  // namespace fmserve::trainer
