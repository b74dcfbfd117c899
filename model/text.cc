#include "model/text.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/charconv.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

constexpr size_t kQuotedBytes = 64;

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = absl::from_chars(text.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    if (std::abs(value) > 1.0) return std::nullopt;
    return 0.0;
  }
  return value;
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error != std::errc()) return std::nullopt;
  return value;
}

std::string_view TakeUntil(char separator, std::string_view& text) {
  const size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return head;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    // 0x80 to 0xc1 never lead: continuations, and overlong forms of two bytes.
    const size_t continuations = lead < 0xc2 || lead > 0xf4 ? 0
                                 : lead < 0xe0              ? 1
                                 : lead < 0xf0              ? 2
                                                            : 3;
    if (continuations == 0 || continuations > text.size() - i) return false;
    uint32_t code_point = lead & (0x3fU >> continuations);
    for (size_t end = i + continuations; i < end; ++i) {
      const auto next = static_cast<unsigned char>(text[i]);
      if ((next & 0xc0) != 0x80) return false;
      code_point = code_point << 6 | (next & 0x3fU);
    }
    const bool overlong = code_point < (continuations == 2   ? 0x800U
                                        : continuations == 3 ? 0x10000U
                                                             : 0U);
    const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (overlong || surrogate || code_point > 0x10ffff) return false;
  }
  return true;
}

std::string Quote(std::string_view value) {
  const std::string shown(value.substr(0, kQuotedBytes));
  return absl::StrCat("'", absl::CHexEscape(shown), value.size() > kQuotedBytes ? "…'" : "'");
}

}  // namespace fmserve::model
