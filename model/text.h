// Numbers, lists and quotations in text that comes from outside.
#ifndef FMSERVE_MODEL_TEXT_H_
#define FMSERVE_MODEL_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fmserve::model {

// The whole of `text` as a number: decimal or scientific, "nan", "inf"; no surrounding space, no
// leading '+'. What is too small for a double becomes 0; nothing if too large or not a number.
std::optional<double> ParseNumber(std::string_view text);

// The whole of `text` as a decimal int64, leading zeros allowed; nothing if it is not one.
std::optional<int64_t> ParseInteger(std::string_view text);

// The part of `text` before `separator`; both are removed from `text`.
std::string_view TakeUntil(char separator, std::string_view& text);

// Whether `text` is well-formed UTF-8 (RFC 3629): no overlong forms, surrogates or code points
// above U+10FFFF. The empty text is.
bool IsUtf8(std::string_view text);

// `value` for an error message: in single quotes, escaped, cut after 64 bytes.
std::string Quote(std::string_view value);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_TEXT_H_
