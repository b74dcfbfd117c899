// Signatures of requests: AWS Signature Version 4, with the whole request in headers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
#ifndef FMSERVE_S3_SIGNING_H_
#define FMSERVE_S3_SIGNING_H_

#include <string>

#include "absl/time/time.h"
#include "s3/credentials.h"
#include "s3/http.h"

namespace fmserve::s3 {

struct UnsignedRequest {
  std::string method{};
  std::string path{};            // as UriEncodePath gives it, beginning with a slash
  std::string query{};           // as CanonicalQuery gives it
  HttpHeaders headers{};         // all of them are signed; Host among them
  std::string payload_sha256{};  // of the body, in hexadecimal digits
};

// The headers to send: those of the request, and Authorization, X-Amz-Date, X-Amz-Content-Sha256
// and, for credentials that have one, X-Amz-Security-Token. `time` is what the server's clock says.
HttpHeaders Sign(const UnsignedRequest& request, const Credentials& credentials,
                 const std::string& region, absl::Time time);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_SIGNING_H_
