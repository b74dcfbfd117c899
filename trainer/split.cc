#include "trainer/split.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace fmserve::trainer {
namespace {

constexpr char kQuote = '"';

// Takes the quoted cell at the beginning of `rest`: the value moves to the front, `rest` behind the
// closing quote. False if there is none.
bool Unquote(std::span<char>& rest, std::span<char>& value) {
  char* out = rest.data();
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == kQuote) {
      if (i + 1 == rest.size() || rest[i + 1] != kQuote) {
        value = {rest.data(), out};
        rest = rest.subspan(i + 1);
        return true;
      }
      ++i;
    }
    *out++ = rest[i];
  }
  return false;
}

// Takes what stands before the separator, which stays.
std::span<char> TakeCell(std::span<char>& rest, char separator) {
  void* found = rest.empty() ? nullptr : std::memchr(rest.data(), separator, rest.size());
  const size_t size =
      found == nullptr ? rest.size() : static_cast<size_t>(static_cast<char*>(found) - rest.data());
  const std::span<char> cell = rest.first(size);
  rest = rest.subspan(size);
  return cell;
}

bool HasQuote(std::span<const char> text) {
  return std::find(text.begin(), text.end(), kQuote) != text.end();
}

}  // namespace

void SplitPlain(std::span<char> line, char separator, std::vector<std::span<char>>* cells) {
  cells->clear();
  for (;;) {
    cells->push_back(TakeCell(line, separator));
    if (line.empty()) return;
    line = line.subspan(1);
  }
}

absl::Status SplitQuoted(std::span<char> line, char separator,
                         std::vector<std::span<char>>* cells) {
  if (!HasQuote(line)) {
    SplitPlain(line, separator, cells);
    return absl::OkStatus();
  }
  cells->clear();
  for (;;) {
    std::span<char> cell;
    if (!line.empty() && line.front() == kQuote) {
      if (!Unquote(line, cell)) return absl::InvalidArgumentError("a quote is not closed");
      if (!line.empty() && line.front() != separator) {
        return absl::InvalidArgumentError(
            "text follows a closing quote; write a quote inside a quoted cell as two");
      }
    } else {
      cell = TakeCell(line, separator);
      if (HasQuote(cell)) {
        return absl::InvalidArgumentError(
            "a quote stands inside a cell that is not quoted; quote the cell and write the quote "
            "as two");
      }
    }
    cells->push_back(cell);
    if (line.empty()) return absl::OkStatus();
    line = line.subspan(1);
  }
}

bool QuoteIsOpen(std::span<const char> line) {
  return std::count(line.begin(), line.end(), kQuote) % 2 == 1;
}

}  // namespace fmserve::trainer
