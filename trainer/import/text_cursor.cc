#include "trainer/import/text_cursor.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/import/numbers.h"

namespace fmserve::trainer {
namespace {

constexpr std::string_view kSpace = " \t";

}  // namespace

bool TextCursor::NextLine() {
  if (next_ >= text_.size()) {
    line_ = text_.substr(text_.size());
    rest_ = word_ = line_;
    ++line_number_;
    return false;
  }
  const size_t end = std::min(text_.find('\n', next_), text_.size());
  line_ = text_.substr(next_, end - next_);
  if (line_.ends_with('\r')) line_.remove_suffix(1);
  rest_ = line_;
  word_ = line_.substr(0, 0);
  next_ = end + 1;
  ++line_number_;
  return true;
}

bool TextCursor::AtLineEnd() const {
  return rest_.find_first_not_of(kSpace) == std::string_view::npos;
}

std::string_view TextCursor::Word() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
  word_ = rest_.substr(0, rest_.find_first_of(kSpace));
  rest_.remove_prefix(word_.size());
  return word_;
}

absl::StatusOr<double> TextCursor::Number() {
  const std::string_view word = Word();
  if (word.empty()) return Error("a number is missing");
  const std::optional<double> number = model::ParseNumber(word);
  if (!number || !FitsFloat(*number)) {
    return Error(absl::StrCat(model::Quote(word), " is not a finite 32-bit number"));
  }
  return *number;
}

absl::Status TextCursor::ExpectLineEnd() {
  if (AtLineEnd()) return absl::OkStatus();
  const std::string_view word = Word();
  return Error(absl::StrCat(model::Quote(word), " is too much"));
}

absl::Status TextCursor::Error(std::string_view reason) const {
  return absl::InvalidArgumentError(absl::StrCat(
      "line ", line_number_, ", byte ", word_.data() - text_.data(), ": ", std::string(reason)));
}

}  // namespace fmserve::trainer
