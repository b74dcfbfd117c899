#include "tools/log/log_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "loader/file_util.h"

namespace fmserve::tools {
namespace {

namespace fs = std::filesystem;

// Of docs/operators.md.
constexpr std::string_view kSuffix = ".fmlog.zst";
constexpr std::string_view kOpenSuffix = ".open";
constexpr size_t kInputBytes = size_t{256} << 10;
constexpr size_t kOutputBytes = size_t{256} << 10;

bool IsLogFile(std::string_view name) {
  if (name.ends_with(kOpenSuffix)) name.remove_suffix(kOpenSuffix.size());
  return name.ends_with(kSuffix);
}

absl::Status AppendFilesOf(const std::string& folder, std::vector<std::string>* files) {
  const size_t before = files->size();
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (IsLogFile(entry->path().filename().native())) files->push_back(entry->path());
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot list"));
  if (files->size() == before)
    return absl::NotFoundError(absl::StrCat(folder, ": there is no log file (*.fmlog.zst) in it"));
  std::sort(files->begin() + static_cast<ptrdiff_t>(before), files->end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindLogFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
    } else if (absl::Status status = AppendFilesOf(path, &files); !status.ok()) {
      return status;
    }
  }
  return files;
}

// The compressed side.
struct LogReader::Decoder {
  explicit Decoder(loader::FileDescriptor opened)
      : file(std::move(opened)), context(ZSTD_createDCtx()), input(kInputBytes) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { ZSTD_freeDCtx(context); }

  loader::FileDescriptor file;
  ZSTD_DCtx* context;
  std::vector<char> input;
  size_t begin = 0;  // of what is not used yet, in input
  size_t end = 0;
  uint64_t used_bytes = 0;  // of the file
  uint64_t frame_at = 0;    // where the last frame begins
};

LogReader::LogReader(std::string path, std::unique_ptr<Decoder> decoder)
    : path_(std::move(path)), decoder_(std::move(decoder)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

absl::StatusOr<LogReader> LogReader::Open(const std::string& path) {
  absl::StatusOr<loader::FileDescriptor> file = loader::OpenRegularFile(path);
  if (!file.ok() && path.ends_with(kOpenSuffix)) {
    const std::string finished = path.substr(0, path.size() - kOpenSuffix.size());
    if (fs::exists(finished)) return Open(finished);
  }
  if (!file.ok()) return file.status();
  return LogReader(path, std::make_unique<Decoder>(*std::move(file)));
}

absl::Status LogReader::Damaged(std::string_view what) const {
  return absl::DataLossError(absl::StrCat(path_, ": the frame at byte ", decoder_->frame_at,
                                          " is damaged: ", std::string(what)));
}

std::string LogReader::Where() const { return absl::StrCat(path_, ", record ", records_); }

// Decompresses the next frame whole: its checksum stands behind it.
absl::StatusOr<bool> LogReader::NextFrame() {
  Decoder& decoder = *decoder_;
  if (decoder.context == nullptr) return absl::ResourceExhaustedError("no memory for zstd");
  decoder.frame_at = decoder.used_bytes;
  size_t filled = 0;
  used_ = 0;
  for (bool ended = false; !ended;) {
    if (decoder.begin == decoder.end) {
      const absl::StatusOr<size_t> count =
          loader::ReadFull(decoder.file, std::as_writable_bytes(std::span(decoder.input)), path_);
      if (!count.ok()) return count.status();
      decoder.begin = 0;
      decoder.end = *count;
      if (*count == 0) {
        cut_off_ = decoder.used_bytes > decoder.frame_at;
        frame_.clear();
        return false;
      }
    }
    if (filled == frame_.size()) frame_.resize(filled + kOutputBytes);
    ZSTD_inBuffer in = {decoder.input.data(), decoder.end, decoder.begin};
    ZSTD_outBuffer out = {frame_.data(), frame_.size(), filled};
    const size_t left = ZSTD_decompressStream(decoder.context, &out, &in);
    if (ZSTD_isError(left) != 0) return Damaged(ZSTD_getErrorName(left));
    decoder.used_bytes += in.pos - decoder.begin;
    decoder.begin = in.pos;
    filled = out.pos;
    ended = left == 0;
    if (filled > kMaxLogFrameBytes)
      return Damaged(absl::StrCat("it has more than ", kMaxLogFrameBytes, " bytes"));
  }
  frame_.resize(filled);
  return true;
}

absl::StatusOr<bool> LogReader::Next(v1::PredictionRecord* record) {
  while (used_ == frame_.size()) {
    const absl::StatusOr<bool> more = NextFrame();
    if (!more.ok() || !*more) return more;
  }
  ++records_;
  const auto* begin = reinterpret_cast<const uint8_t*>(frame_.data() + used_);
  google::protobuf::io::CodedInputStream in(begin, static_cast<int>(frame_.size() - used_));
  uint32_t bytes = 0;
  if (!in.ReadVarint32(&bytes)) return Damaged("a record has no length");
  used_ += static_cast<size_t>(in.CurrentPosition());
  if (bytes > frame_.size() - used_) return Damaged("a record goes beyond its end");
  if (!record->ParseFromArray(frame_.data() + used_, static_cast<int>(bytes)))
    return Damaged(absl::StrCat("record ", records_, " of the file is not a PredictionRecord"));
  used_ += bytes;
  if (!record->field_names().empty())
    field_names_.assign(record->field_names().begin(), record->field_names().end());
  return true;
}

}  // namespace fmserve::tools
