// Lines of a data file.
#ifndef FMSERVE_TRAINER_LINE_READER_H_
#define FMSERVE_TRAINER_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "trainer/input_stream.h"

namespace fmserve::trainer {

inline constexpr size_t kMaxLineBytes = size_t{1} << 20;

// One thread. Does not allocate after construction.
class LineReader {
 public:
  // `path` is named in errors; lines are numbered from lines_before + 1.
  LineReader(std::string path, std::unique_ptr<InputStream> input, uint64_t lines_before = 0)
      : path_(std::move(path)), input_(std::move(input)), lines_read_(lines_before) {}

  // Sets `line` to the next one without its "\n" or "\r\n"; false at the end. The caller may write
  // to it; it is valid until the next call. InvalidArgument for a line of more than kMaxLineBytes.
  absl::StatusOr<bool> Next(std::span<char>* line);

  // Lengthens the line of the last Next() by the line after it, with the "\n" between them; false
  // at the end of the file, where `line` stays as it is.
  absl::StatusOr<bool> Extend(std::span<char>* line);

  // "path:line" of the last Next().
  std::string Where() const;
  uint64_t line_number() const { return line_number_; }

 private:
  absl::StatusOr<bool> FindEnd(size_t searched);
  absl::StatusOr<bool> Refill();
  std::span<char> Line();

  std::string path_;
  std::unique_ptr<InputStream> input_;
  static constexpr size_t kBufferBytes = kMaxLineBytes + (size_t{256} << 10);

  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  size_t begin_ = 0;          // of the line in buffer_
  size_t line_end_ = 0;       // one past its last byte, where the "\n" is or the file ends
  size_t next_ = 0;           // where the line after it begins
  size_t filled_ = 0;         // bytes in buffer_
  uint64_t line_number_ = 0;  // of the first line of the last Next()
  uint64_t lines_read_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_LINE_READER_H_
