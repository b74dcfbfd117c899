// The XML that S3 and STS answer with. Whatever bytes come, these return in time and memory
// proportional to their number.
#ifndef FMSERVE_S3_ANSWERS_H_
#define FMSERVE_S3_ANSWERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "s3/client.h"
#include "s3/credentials.h"

namespace fmserve::s3 {

// <Error> of S3, or <ErrorResponse><Error> of STS. All empty when it is something else.
struct ErrorAnswer {
  std::string code{};
  std::string message{};
  std::string request_id{};
  std::string region{};  // where the bucket is, with errors about regions
};
ErrorAnswer ParseError(std::string_view xml);

// One page of ListObjectsV2.
struct ListPage {
  std::vector<ListedObject> objects{};
  std::string next{};  // continuation token; empty: this was the last page
};

// One page of ListMultipartUploads.
struct UploadsPage {
  std::vector<Upload> uploads{};
  std::string next_key{};  // both empty: this was the last page
  std::string next_upload_id{};
};

// Errors: Internal, saying what is missing.
absl::StatusOr<ListPage> ParseListPage(std::string_view xml);
absl::StatusOr<UploadsPage> ParseUploadsPage(std::string_view xml);
absl::StatusOr<std::string> ParseUploadId(std::string_view xml);  // of CreateMultipartUpload
// Of CompleteMultipartUpload; empty where the store does not tell (Ceph 16).
absl::StatusOr<std::string> ParseCompletedEtag(std::string_view xml);
absl::StatusOr<Credentials> ParseAssumedRole(std::string_view xml);  // of STS

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_ANSWERS_H_
