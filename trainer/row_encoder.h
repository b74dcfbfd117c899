// A row of a table as the server would see it: the context's features, then the item's.
#ifndef FMSERVE_TRAINER_ROW_ENCODER_H_
#define FMSERVE_TRAINER_ROW_ENCODER_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "model/feature_encoder.h"
#include "model/feature_list.h"
#include "model/feature_schema.h"

namespace fmserve::trainer {

// One thread. Does not allocate once it has seen the longest row.
class RowEncoder {
 public:
  // `schema` must outlive the encoder.
  explicit RowEncoder(const model::FeatureSchema& schema) : encoder_(schema, &features_) {}
  RowEncoder(const RowEncoder&) = delete;
  RowEncoder& operator=(const RowEncoder&) = delete;

  // Encodes one cell per field of the schema, in its order. InvalidArgument names the field and the
  // value; the features are then of no use. The views below are valid until the next call.
  absl::Status Encode(std::span<const std::string_view> cells) {
    features_.Clear();
    if (absl::Status status = encoder_.AddRow(model::Side::kContext, cells); !status.ok())
      return status;
    context_size_ = features_.size();
    return encoder_.AddRow(model::Side::kItem, cells);
  }

  model::FeatureSpan all() const { return features_.view(); }
  model::FeatureSpan context() const { return all().subspan(0, context_size_); }
  model::FeatureSpan item() const {
    return all().subspan(context_size_, features_.size() - context_size_);
  }

 private:
  model::FeatureList features_;
  model::FeatureEncoder encoder_;
  size_t context_size_ = 0;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_ENCODER_H_
