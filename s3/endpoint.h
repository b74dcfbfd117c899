// Where a bucket's requests go.
#ifndef FMSERVE_S3_ENDPOINT_H_
#define FMSERVE_S3_ENDPOINT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "s3/client.h"

namespace fmserve::s3 {

struct Endpoint {
  std::string scheme{};  // http or https
  std::string host{};    // with :port unless it is the scheme's own, as Host wants it

  std::string Url() const { return scheme + "://" + host; }
};

// "https://host[:port]", nothing else in it. InvalidArgument.
absl::StatusOr<Endpoint> ParseEndpoint(const std::string& url);

// AWS's own for S3 ("s3") or STS ("sts").
Endpoint AwsEndpoint(const std::string& service, const std::string& region);

// How the objects of one bucket are addressed.
struct BucketAddress {
  Endpoint endpoint{};
  std::string bucket_path{};  // "/bucket", or empty when the host names it

  std::string Path(std::string_view key) const;  // encoded; empty key: the bucket
};

BucketAddress AddressBucket(const Endpoint& endpoint, const std::string& bucket, bool virtual_host);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_ENDPOINT_H_
