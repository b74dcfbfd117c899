#include "server/packed_decoder.h"

#include <span>

#include "absl/strings/str_cat.h"

namespace fmserve::server {

using model::FeatureEncoder;
using model::FeatureList;
using model::Side;

absl::Status PackedDecoder::Check() const {
  if (candidates_count() > limits_.max_candidates) {
    return LimitError("packed.candidate_lengths", candidates_count(), "candidates",
                      limits_.max_candidates);
  }
  if (absl::Status status = CheckColumns(); !status.ok()) return status;
  return CheckLengths();
}

absl::Status PackedDecoder::CheckColumns() const {
  const size_t features_count = packed_.fields().size();
  if (features_count > limits_.max_features_per_request) {
    return LimitError("packed.fields", features_count, "features",
                      limits_.max_features_per_request);
  }
  const auto keys_count = static_cast<size_t>(packed_.keys_size());
  if (keys_count != features_count) {
    return absl::InvalidArgumentError(
        absl::StrCat("packed.keys: ", keys_count, " keys for ", features_count,
                     " features (the bytes of packed.fields); there has to be one each"));
  }
  const auto values_count = static_cast<size_t>(packed_.values_size());
  if (values_count != 0 && values_count != features_count) {
    return absl::InvalidArgumentError(absl::StrCat(
        "packed.values: ", values_count, " values for ", features_count,
        " features (the bytes of packed.fields); there has to be one each, or none at all"));
  }
  return absl::OkStatus();
}

absl::Status PackedDecoder::CheckLengths() const {
  const size_t per_list = limits_.max_features_per_list;
  if (packed_.context_length() > per_list) {
    return LimitError("packed.context_length", packed_.context_length(), "features", per_list);
  }
  size_t total = packed_.context_length();
  for (int i = 0; i < packed_.candidate_lengths_size(); ++i) {
    const size_t length = packed_.candidate_lengths(i);
    if (length > per_list) {
      return LimitError(absl::StrCat("packed.candidate_lengths[", i, "]"), length, "features",
                        per_list);
    }
    total += length;
  }
  if (total != packed_.fields().size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("packed.candidate_lengths: the lengths of context and candidates add up to ",
                     total, ", but packed.fields has ", packed_.fields().size(), " features"));
  }
  return absl::OkStatus();
}

absl::Status PackedDecoder::DecodeContext(FeatureList* out) {
  FeatureEncoder encoder(schema_, out);
  absl::Status status = DecodeList(Side::kContext, packed_.context_length(), &encoder);
  return status.ok() ? status : AtPath("packed.context_length", status);
}

absl::Status PackedDecoder::DecodeCandidates(size_t first, size_t count, FeatureList* out,
                                             std::vector<uint32_t>* lengths) {
  FeatureEncoder encoder(schema_, out);
  for (size_t i = first; i < first + count; ++i) {
    const size_t begin = out->size();
    absl::Status status =
        DecodeList(Side::kItem, packed_.candidate_lengths(static_cast<int>(i)), &encoder);
    if (!status.ok()) return AtPath(absl::StrCat("packed.candidate_lengths[", i, "]"), status);
    lengths->push_back(static_cast<uint32_t>(out->size() - begin));
  }
  return absl::OkStatus();
}

absl::Status PackedDecoder::DecodeList(Side side, size_t length, FeatureEncoder* encoder) {
  const auto* fields = reinterpret_cast<const uint8_t*>(packed_.fields().data());
  const model::PackedList list{
      .fields = {fields + position_, length},
      .keys = {packed_.keys().data() + position_, length},
      .values = packed_.values().empty()
                    ? std::span<const float>()
                    : std::span<const float>(packed_.values().data() + position_, length)};
  size_t refused = length;
  absl::Status status = encoder->AddPacked(side, list, &refused);
  if (refused < length) {
    return AtPath(absl::StrCat("packed.fields[", position_ + refused, "]"), status);
  }
  position_ += length;
  return status;
}

}  // namespace fmserve::server
