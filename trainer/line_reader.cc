#include "trainer/line_reader.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {

std::string LineReader::Where() const { return absl::StrCat(path_, ":", line_number_); }

std::span<char> LineReader::Line() {
  const bool carriage_return = line_end_ > begin_ && buffer_[line_end_ - 1] == '\r';
  return {buffer_.get() + begin_, line_end_ - begin_ - (carriage_return ? 1 : 0)};
}

// Reads more behind what is there, making room by moving the current line to the front.
absl::StatusOr<bool> LineReader::Refill() {
  if (filled_ == kBufferBytes) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, filled_ - begin_);
    line_end_ -= begin_;
    next_ -= begin_;
    filled_ -= begin_;
    begin_ = 0;
  }
  absl::StatusOr<size_t> count = input_->Read({buffer_.get() + filled_, kBufferBytes - filled_});
  if (!count.ok()) return count.status();
  filled_ += *count;
  return *count > 0;
}

// Sets line_end_ and next_ to the first line end at or after `searched`; false if no byte is there.
absl::StatusOr<bool> LineReader::FindEnd(size_t searched) {
  const size_t from = searched - begin_;  // offsets into the line survive Refill
  size_t offset = from;
  for (;;) {
    const char* start = buffer_.get() + begin_ + offset;
    const size_t rest = filled_ - begin_ - offset;
    const auto* newline = static_cast<const char*>(std::memchr(start, '\n', rest));
    offset += newline == nullptr ? rest : static_cast<size_t>(newline - start);
    if (offset > kMaxLineBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(Where(), ": the line is longer than ", kMaxLineBytes, " bytes"));
    }
    if (newline != nullptr) break;
    const absl::StatusOr<bool> more = Refill();
    if (!more.ok()) return more.status();
    if (*more) continue;
    if (offset == from) return false;
    break;
  }
  line_end_ = begin_ + offset;
  next_ = line_end_ < filled_ ? line_end_ + 1 : line_end_;
  ++lines_read_;
  return true;
}

absl::StatusOr<bool> LineReader::Next(std::span<char>* line) {
  begin_ = next_;
  line_end_ = next_;
  line_number_ = lines_read_ + 1;
  const absl::StatusOr<bool> found = FindEnd(begin_);
  if (found.ok() && *found) *line = Line();
  return found;
}

absl::StatusOr<bool> LineReader::Extend(std::span<char>* line) {
  if (next_ == line_end_) return false;  // no newline: the file has ended
  const absl::StatusOr<bool> found = FindEnd(next_);
  *line = Line();
  return found;
}

}  // namespace fmserve::trainer
