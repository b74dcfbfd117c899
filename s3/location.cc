#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "s3/client.h"
#include "s3/encoding.h"
#include "s3/names.h"

namespace fmserve::s3 {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr size_t kMaxPrefixBytes = 512;  // leaves room for names below

bool IsLabelByte(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool LooksLikeAddress(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
absl::Status CheckBucketName(std::string_view name) {
  const bool allowed = name.size() >= 3 && name.size() <= 63 && IsLabelByte(name.front()) &&
                       IsLabelByte(name.back()) && name.find("..") == std::string_view::npos &&
                       std::all_of(name.begin(), name.end(),
                                   [](char c) { return IsLabelByte(c) || c == '-' || c == '.'; }) &&
                       !LooksLikeAddress(name);
  if (allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", Quoted(name, 100),
                   "' is no bucket name: 3 to 63 of a-z 0-9 - and single dots, beginning and "
                   "ending with a letter or digit, not an IP address"));
}

absl::Status CheckKey(std::string_view key) {
  if (key.empty() || key.size() > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("a key has 1 to 1024 bytes, not ", key.size()));
  }
  for (size_t begin = 0; begin <= key.size();) {
    const size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view piece = key.substr(begin, end - begin);
    if (piece == "." || piece == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat("key '", Quoted(key),
                       "': '.' and '..' mean different things to different "
                       "servers; choose another name"));
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

std::string Location::Key(std::string_view name) const {
  return prefix.empty() ? std::string(name) : absl::StrCat(prefix, "/", ToAbsl(name));
}

absl::StatusOr<Location> ParseUrl(std::string_view url) {
  if (!url.starts_with(kScheme)) {
    return absl::InvalidArgumentError(absl::StrCat("'", Quoted(url), "' is no s3://bucket/prefix"));
  }
  url.remove_prefix(kScheme.size());
  const size_t slash = std::min(url.find('/'), url.size());
  Location location{.bucket = std::string(url.substr(0, slash)), .prefix = {}};
  std::string_view prefix = url.substr(slash);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.starts_with('/')) prefix.remove_prefix(1);
  location.prefix = prefix;
  if (absl::Status status = CheckBucketName(location.bucket); !status.ok()) return status;
  if (location.prefix.size() > kMaxPrefixBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prefix has at most ", kMaxPrefixBytes, " bytes"));
  }
  if (location.prefix.empty()) return location;
  if (location.prefix.starts_with('/') || location.prefix.find("//") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("prefix '", Quoted(location.prefix), "' has an empty piece between slashes"));
  }
  if (absl::Status status = CheckKey(location.prefix); !status.ok()) return status;
  return location;
}

}  // namespace fmserve::s3
