// Answers that are errors, as absl::Status.
#ifndef FMSERVE_S3_ERRORS_H_
#define FMSERVE_S3_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "s3/answers.h"
#include "s3/credentials.h"
#include "s3/http.h"

namespace fmserve::s3 {

// What the words of an error are about.
struct ErrorSubject {
  std::string what{};    // "GET s3://bucket/key"
  std::string region{};  // that requests are signed for
};

// An answer that the operation does not expect: never ok. `now` is for Retry-After as a date.
absl::Status ToStatus(const HttpResponse& response, const ErrorAnswer& error,
                      const ErrorSubject& subject, absl::Time now);

// "<what>: <message of status>", with the same code and payloads.
absl::Status Prefixed(const absl::Status& status, const std::string& what);

// The same with `words` behind.
absl::Status Suffixed(const absl::Status& status, const std::string& words);

// True when new credentials may help.
bool RefusesCredentials(const HttpResponse& response, const ErrorAnswer& error);

// True when the server says that the request's time is not now.
bool RefusesClock(const HttpResponse& response, const ErrorAnswer& error, absl::Time signed_at);

// For the odd server that repeats what it was sent: takes the secrets out of a message.
absl::Status Scrubbed(const absl::Status& status, const Credentials& credentials);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_ERRORS_H_
