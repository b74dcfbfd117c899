// The packed form: columns of field numbers, keys and values.
#ifndef FMSERVE_SERVER_PACKED_DECODER_H_
#define FMSERVE_SERVER_PACKED_DECODER_H_

#include "fmserve/v1/prediction.pb.h"
#include "model/feature_encoder.h"
#include "model/feature_schema.h"
#include "server/request_decoder.h"

namespace fmserve::server {

// Allocates nothing once `out` and `lengths` are large enough, except for errors.
class PackedDecoder : public RequestDecoder {
 public:
  // All must outlive the decoder.
  PackedDecoder(const model::FeatureSchema& schema, const RequestLimits& limits,
                const v1::PackedFeatures& packed)
      : schema_(schema), limits_(limits), packed_(packed) {}

  absl::Status Check() const override;
  size_t candidates_count() const override {
    return static_cast<size_t>(packed_.candidate_lengths_size());
  }
  absl::Status DecodeContext(model::FeatureList* out) override;
  absl::Status DecodeCandidates(size_t first, size_t count, model::FeatureList* out,
                                std::vector<uint32_t>* lengths) override;

 private:
  absl::Status CheckColumns() const;
  absl::Status CheckLengths() const;

  // The next `length` elements of the columns as one list; `name` is the list's for messages.
  absl::Status DecodeList(model::Side side, size_t length, model::FeatureEncoder* encoder);

  const model::FeatureSchema& schema_;
  const RequestLimits& limits_;
  const v1::PackedFeatures& packed_;
  size_t position_ = 0;  // in the columns
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_PACKED_DECODER_H_
