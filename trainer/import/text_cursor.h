// Lines and words of a text that lies in memory.
#ifndef FMSERVE_TRAINER_IMPORT_TEXT_CURSOR_H_
#define FMSERVE_TRAINER_IMPORT_TEXT_CURSOR_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::trainer {

// One thread. `text` must outlive the cursor; what it hands out are views of it.
class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : text_(text) {}

  // Goes to the next line; false at the end.
  bool NextLine();

  // The line without its "\n" or "\r\n".
  std::string_view line() const { return line_; }
  uint64_t line_number() const { return line_number_; }

  // Takes the next word, between spaces, of the line; empty at its end.
  std::string_view Word();

  // Takes the next word as a number. InvalidArgument if there is none or it is not finite or too
  // large for a float.
  absl::StatusOr<double> Number();

  // Whether no word is left on the line.
  bool AtLineEnd() const;

  // InvalidArgument if a word is left on the line.
  absl::Status ExpectLineEnd();

  // InvalidArgument "line 7, byte 123: reason", about the word that was taken last or, when none of
  // the line was, about the line.
  absl::Status Error(std::string_view reason) const;

  size_t size_bytes() const { return text_.size(); }

 private:
  std::string_view text_;
  size_t next_ = 0;           // where the line after this begins
  std::string_view line_;     // of text_
  std::string_view rest_;     // of line_, not taken yet
  std::string_view word_;     // taken last
  uint64_t line_number_ = 0;  // from 1
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_TEXT_CURSOR_H_
