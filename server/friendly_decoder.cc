#include "server/friendly_decoder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::server {

using model::FeatureEncoder;
using model::FeatureList;
using model::FieldKind;
using model::Side;

namespace {

size_t ValuesCount(const v1::Feature& feature) {
  return static_cast<size_t>(feature.strings_size()) +
         static_cast<size_t>(feature.integers_size()) + static_cast<size_t>(feature.numbers_size());
}

// Values stand in one column, and weights fit it.
absl::Status CheckColumns(const v1::Feature& feature) {
  const int columns = (feature.strings().empty() ? 0 : 1) + (feature.integers().empty() ? 0 : 1) +
                      (feature.numbers().empty() ? 0 : 1);
  if (columns > 1) {
    return absl::InvalidArgumentError(
        "strings, integers, numbers: more than one of them has values; use the one that fits");
  }
  if (feature.weights().empty()) return absl::OkStatus();
  const int weighable = feature.strings_size() + feature.integers_size();
  if (feature.weights_size() == weighable) return absl::OkStatus();
  return AtPath("weights", absl::InvalidArgumentError(absl::StrCat(
                               feature.weights_size(), " weights for ", weighable,
                               " strings or integers; there has to be one each, or none at all")));
}

}  // namespace

absl::Status FriendlyDecoder::Check() const {
  if (candidates_count() > limits_.max_candidates) {
    return LimitError("features.candidates", candidates_count(), "candidates",
                      limits_.max_candidates);
  }
  return absl::OkStatus();
}

absl::Status FriendlyDecoder::DecodeContext(FeatureList* out) {
  FeatureEncoder encoder(schema_, out);
  absl::Status status = DecodeList(Side::kContext, features_.context(), &encoder, "context");
  return status.ok() ? status : BelowPath("features", status);
}

absl::Status FriendlyDecoder::DecodeCandidates(size_t first, size_t count, FeatureList* out,
                                               std::vector<uint32_t>* lengths) {
  FeatureEncoder encoder(schema_, out);
  for (size_t i = first; i < first + count; ++i) {
    const size_t begin = out->size();
    absl::Status status = DecodeList(
        Side::kItem, features_.candidates(static_cast<int>(i)).features(), &encoder, "features");
    if (!status.ok()) return BelowPath(absl::StrCat("features.candidates[", i, "]"), status);
    lengths->push_back(static_cast<uint32_t>(out->size() - begin));
  }
  return absl::OkStatus();
}

absl::Status FriendlyDecoder::DecodeList(Side side, const FeatureMessages& features,
                                         FeatureEncoder* encoder, absl::string_view list_name) {
  encoder->Begin(side);
  size_t list_count = 0;
  for (int i = 0; i < features.size(); ++i) {
    const v1::Feature& feature = features[i];
    list_count += std::max<size_t>(ValuesCount(feature), 1);  // an empty one costs time, too
    if (list_count > limits_.max_features_per_list) break;
    const std::optional<size_t> field = FindField(feature.field(), static_cast<size_t>(i));
    absl::Status status =
        field.has_value() ? DecodeFeature(*field, feature, encoder)
                          : absl::InvalidArgumentError(absl::StrCat(
                                "field: the model has no field ", model::Quote(feature.field())));
    if (!status.ok()) return BelowPath(absl::StrCat(list_name, "[", i, "]"), status);
  }
  if (list_count > limits_.max_features_per_list) {
    return LimitError(list_name, list_count, "features", limits_.max_features_per_list);
  }
  features_count_ += list_count;
  if (features_count_ > limits_.max_features_per_request) {
    return LimitError(list_name, features_count_, "features in the request so far",
                      limits_.max_features_per_request);
  }
  absl::Status status = encoder->End();
  return status.ok() ? status : AtPath(list_name, status);
}

absl::Status FriendlyDecoder::DecodeFeature(size_t field, const v1::Feature& feature,
                                            FeatureEncoder* encoder) const {
  if (absl::Status status = CheckColumns(feature); !status.ok()) return status;
  if (absl::Status status = AddStrings(field, feature, encoder); !status.ok()) return status;
  for (int i = 0; i < feature.integers_size(); ++i) {
    const float weight = feature.weights().empty() ? 1.0F : feature.weights(i);
    absl::Status status = encoder->AddInteger(field, feature.integers(i), weight);
    if (!status.ok()) return AtPath(absl::StrCat("integers[", i, "]"), status);
  }
  return AddNumbers(field, feature, encoder);
}

absl::Status FriendlyDecoder::AddStrings(size_t field, const v1::Feature& feature,
                                         FeatureEncoder* encoder) const {
  for (int i = 0; i < feature.strings_size(); ++i) {
    const std::string& value = feature.strings(i);
    const float weight = feature.weights().empty() ? 1.0F : feature.weights(i);
    absl::Status status =
        value.size() > limits_.max_string_bytes
            ? absl::InvalidArgumentError(absl::StrCat(value.size(), " bytes, at most ",
                                                      limits_.max_string_bytes, " are allowed"))
            : encoder->AddString(field, value, weight);
    if (!status.ok()) return AtPath(absl::StrCat("strings[", i, "]"), status);
  }
  return absl::OkStatus();
}

absl::Status FriendlyDecoder::AddNumbers(size_t field, const v1::Feature& feature,
                                         FeatureEncoder* encoder) const {
  const bool is_vector = schema_.field(field).kind == FieldKind::kDenseVector;
  for (int i = 0; i < feature.numbers_size(); ++i) {
    const double number = feature.numbers(i);
    absl::Status status =
        is_vector ? encoder->AddKey(field, static_cast<uint64_t>(i), static_cast<float>(number))
                  : encoder->AddNumber(field, number);
    if (!status.ok()) return AtPath(absl::StrCat("numbers[", i, "]"), status);
  }
  return absl::OkStatus();
}

std::optional<size_t> FriendlyDecoder::FindField(const std::string& name, size_t position) {
  if (position >= field_at_.size()) return schema_.Find(name);
  uint16_t& guess = field_at_[position];
  if (guess < schema_.size() && schema_.field(guess).name == name) return guess;
  const std::optional<size_t> found = schema_.Find(name);
  if (found.has_value()) guess = static_cast<uint16_t>(*found);
  return found;
}

}  // namespace fmserve::server
