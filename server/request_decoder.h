// From a request to the lists of features that the scorer takes. Both forms of a request give the
// same features, to the bit, because both go through model::FeatureEncoder.
#ifndef FMSERVE_SERVER_REQUEST_DECODER_H_
#define FMSERVE_SERVER_REQUEST_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/feature_list.h"

namespace fmserve::server {

struct RequestLimits {
  size_t max_candidates = 10000;
  size_t max_features_per_list = 4096;
  size_t max_features_per_request = 500000;
  size_t max_string_bytes = 1024;
};

// One request; one thread. Each error is InvalidArgument and begins with the path of what is wrong,
// as in "features.candidates[3].features[2].strings[0]: …".
class RequestDecoder {
 public:
  virtual ~RequestDecoder() = default;

  // Whether the request is well-formed and within the limits: first, and before anything is hashed.
  virtual absl::Status Check() const = 0;

  virtual size_t candidates_count() const = 0;

  // Appends the context's features to `out`.
  virtual absl::Status DecodeContext(model::FeatureList* out) = 0;

  // Appends the features of candidates [first, first + count) to `out`, and how many each has to
  // `lengths`. Calls are made in ascending order and leave none out.
  virtual absl::Status DecodeCandidates(size_t first, size_t count, model::FeatureList* out,
                                        std::vector<uint32_t>* lengths) = 0;
};

// InvalidArgument "<path>: <found> <things>, at most <allowed> are
// allowed".
absl::Status LimitError(absl::string_view path, size_t found, absl::string_view things,
                        size_t allowed);

// `status` about what stands at `path`: "<path>: <message>"; or below it: "<path>.<message>".
absl::Status AtPath(absl::string_view path, const absl::Status& status);
absl::Status BelowPath(absl::string_view path, const absl::Status& status);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_REQUEST_DECODER_H_
