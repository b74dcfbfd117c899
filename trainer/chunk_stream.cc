#include "trainer/chunk_stream.h"

#include <algorithm>
#include <string_view>

#include "trainer/line_reader.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

bool HasHeader(TableFormat format) {
  return format == TableFormat::kTsv || format == TableFormat::kCsv;
}

// Walks over the records that `text` begins with; visit(begin, end), the line end included, returns
// whether to go on. In a csv file a line end inside quotes ends nothing.
template <typename Visit>
void ForEachRecord(std::string_view text, TableFormat format, Visit visit) {
  bool open = false;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' && format == TableFormat::kCsv) open = !open;
    if (text[i] != '\n' || open) continue;
    if (!visit(begin, i + 1)) return;
    begin = i + 1;
  }
}

// One past the last whole record; 0 if there is none.
size_t EndOfRecords(std::string_view text, TableFormat format) {
  if (format != TableFormat::kCsv) return text.rfind('\n') + 1;  // npos + 1 is 0
  size_t last = 0;
  ForEachRecord(text, format, [&](size_t, size_t end) {
    last = end;
    return true;
  });
  return last;
}

// One past the first record that is not empty; 0 if there is none.
size_t EndOfHeader(std::string_view text, TableFormat format) {
  size_t found = 0;
  ForEachRecord(text, format, [&](size_t begin, size_t end) {
    const std::string_view line = text.substr(begin, end - begin);
    if (line == "\n" || line == "\r\n") return true;
    found = end;
    return false;
  });
  return found;
}

uint64_t CountLines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChunkStream>> ChunkStream::Open(const std::string& path,
                                                               const TrainingSchema& schema,
                                                               size_t chunk_bytes) {
  const absl::StatusOr<TableFormat> format = FormatOf(path, schema);
  if (!format.ok()) return format.status();
  absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
  if (!input.ok()) return input.status();
  return std::unique_ptr<ChunkStream>(
      new ChunkStream(path, *format, *std::move(input), chunk_bytes));
}

absl::Status ChunkStream::ReadMore() {
  size_t filled = rest_.size();
  const size_t wanted = filled + chunk_bytes_;
  rest_.resize(wanted);
  while (filled < wanted && !ended_) {
    const absl::StatusOr<size_t> count =
        input_->Read(std::span(rest_.data() + filled, wanted - filled));
    if (!count.ok()) return count.status();
    filled += *count;
    ended_ = *count == 0;
  }
  rest_.resize(filled);
  return absl::OkStatus();
}

absl::Status ChunkStream::TakeHeader() {
  if (!HasHeader(format_)) return absl::OkStatus();
  size_t end = 0;
  while (end == 0 && !ended_ && rest_.size() <= kMaxLineBytes + 1) {
    if (absl::Status status = ReadMore(); !status.ok()) return status;
    end = EndOfHeader(rest_, format_);
  }
  if (end == 0) end = rest_.size();
  header_ = rest_.substr(0, end);
  rest_.erase(0, end);
  header_lines_ = lines_done_ = CountLines(header_);
  return absl::OkStatus();
}

absl::StatusOr<bool> ChunkStream::Next(Chunk* chunk) {
  const bool is_first = !begun_;
  begun_ = true;
  if (is_first) {
    if (absl::Status status = TakeHeader(); !status.ok()) return status;
  }
  size_t end = EndOfRecords(rest_, format_);
  while ((end == 0 || rest_.size() < chunk_bytes_) && !ended_ &&
         rest_.size() <= std::max(kMaxLineBytes + 1, chunk_bytes_)) {
    if (absl::Status status = ReadMore(); !status.ok()) return status;
    end = EndOfRecords(rest_, format_);
  }
  if (end == 0 || ended_) end = rest_.size();
  if (end == 0 && !is_first) return false;
  chunk->path = path_;
  chunk->format = format_;
  chunk->lines_before = lines_done_ - header_lines_;
  chunk->text = header_;
  chunk->text.append(rest_, 0, end);
  lines_done_ += CountLines(std::string_view(rest_).substr(0, end));
  rest_.erase(0, end);
  // Only the first line of a file has one, and readers look for it there only.
  if (is_first && header_.starts_with(kByteOrderMark)) header_.erase(0, kByteOrderMark.size());
  return true;
}

}  // namespace fmserve::trainer
