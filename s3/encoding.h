// Text as S3 wants it in URLs and messages.
#ifndef FMSERVE_S3_ENCODING_H_
#define FMSERVE_S3_ENCODING_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace fmserve::s3 {

// Debian's Abseil has a string_view of its own.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ becomes %XX.
std::string UriEncode(std::string_view text);

// The same for each piece between slashes.
std::string UriEncodePath(std::string_view path);

// Undoes UriEncode and takes '+' for a space; what is no %XX stays as it is.
std::string UriDecode(std::string_view text);

using Query = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=", encoded, sorted by name and value: what is sent and what is signed.
std::string CanonicalQuery(const Query& query);

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::span<const std::byte> bytes);

// Bytes that a key, a token or a header value may have: printable ASCII without spaces at the ends.
bool IsPrintable(std::string_view text);

// Foreign text for a message: control characters become spaces, and what is beyond `max_bytes` "…".
std::string Quoted(std::string_view text, size_t max_bytes = 300);

// < > & " and control characters as XML wants them.
std::string XmlEscape(std::string_view text);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_ENCODING_H_
