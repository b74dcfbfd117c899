#include "server/request_decoder.h"

#include "absl/strings/str_cat.h"

namespace fmserve::server {

absl::Status LimitError(absl::string_view path, size_t found, absl::string_view things,
                        size_t allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", found, " ", things, ", at most ", allowed, " are allowed"));
}

absl::Status AtPath(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status BelowPath(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ".", status.message()));
}

}  // namespace fmserve::server
