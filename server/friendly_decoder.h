// The friendly form: fields by name, raw values.
#ifndef FMSERVE_SERVER_FRIENDLY_DECODER_H_
#define FMSERVE_SERVER_FRIENDLY_DECODER_H_

#include <array>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "fmserve/v1/prediction.pb.h"
#include "model/feature_encoder.h"
#include "model/feature_schema.h"
#include "server/request_decoder.h"

namespace fmserve::server {

// Allocates nothing once `out` and `lengths` are large enough, except for errors. Counts features
// as it decodes them: those limits show in DecodeContext and DecodeCandidates.
class FriendlyDecoder : public RequestDecoder {
 public:
  // All must outlive the decoder.
  FriendlyDecoder(const model::FeatureSchema& schema, const RequestLimits& limits,
                  const v1::Features& features)
      : schema_(schema), limits_(limits), features_(features) {}

  absl::Status Check() const override;
  size_t candidates_count() const override {
    return static_cast<size_t>(features_.candidates_size());
  }
  absl::Status DecodeContext(model::FeatureList* out) override;
  absl::Status DecodeCandidates(size_t first, size_t count, model::FeatureList* out,
                                std::vector<uint32_t>* lengths) override;

 private:
  using FeatureMessages = google::protobuf::RepeatedPtrField<v1::Feature>;

  absl::Status DecodeList(model::Side side, const FeatureMessages& features,
                          model::FeatureEncoder* encoder, absl::string_view list_name);
  absl::Status DecodeFeature(size_t field, const v1::Feature& feature,
                             model::FeatureEncoder* encoder) const;
  absl::Status AddStrings(size_t field, const v1::Feature& feature,
                          model::FeatureEncoder* encoder) const;
  absl::Status AddNumbers(size_t field, const v1::Feature& feature,
                          model::FeatureEncoder* encoder) const;

  // Index of the field that stands at `position` in its list. Candidates name the same fields in
  // the same order, so the one that stood there in the list before is tried before the name is
  // hashed.
  std::optional<size_t> FindField(const std::string& name, size_t position);

  const model::FeatureSchema& schema_;
  const RequestLimits& limits_;
  const v1::Features& features_;
  size_t features_count_ = 0;  // decoded so far
  std::array<uint16_t, model::kMaxFields> field_at_ = {};
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_FRIENDLY_DECODER_H_
