#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>

#include "server/friendly_decoder.h"
#include "server/packed_decoder.h"
#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

struct Decoded {
  absl::Status status;
  model::FeatureList context;
  model::FeatureList candidates;
  std::vector<uint32_t> lengths;
};

// Everything at once, or in chunks of `chunk` candidates.
Decoded Decode(RequestDecoder* decoder, size_t chunk) {
  Decoded decoded;
  decoded.status = decoder->Check();
  if (decoded.status.ok()) decoded.status = decoder->DecodeContext(&decoded.context);
  for (size_t first = 0; first < decoder->candidates_count() && decoded.status.ok();
       first += chunk) {
    const size_t count = std::min(chunk, decoder->candidates_count() - first);
    decoded.status = decoder->DecodeCandidates(first, count, &decoded.candidates, &decoded.lengths);
  }
  return decoded;
}

Decoded Decode(const v1::PredictRequest& request, const RequestLimits& limits = {},
               size_t chunk = 1000) {
  static const model::FeatureSchema schema = SampleSchema();
  if (request.has_packed()) {
    PackedDecoder decoder(schema, limits, request.packed());
    return Decode(&decoder, chunk);
  }
  FriendlyDecoder decoder(schema, limits, request.features());
  return Decode(&decoder, chunk);
}

std::string ErrorOf(const v1::PredictRequest& request, const RequestLimits& limits = {}) {
  const Decoded decoded = Decode(request, limits);
  EXPECT_EQ(decoded.status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(decoded.status.message());
}

void ExpectSameBits(const model::FeatureList& a, const model::FeatureList& b) {
  EXPECT_EQ(a.keys, b.keys);
  EXPECT_EQ(a.fields, b.fields);
  ASSERT_EQ(a.xs.size(), b.xs.size());
  EXPECT_EQ(std::memcmp(a.xs.data(), b.xs.data(), a.xs.size() * sizeof(float)), 0);
}

TEST(DecoderTest, BothFormsGiveTheSameFeaturesToTheBit) {
  const Decoded friendly = Decode(FriendlyRequest(50));
  const Decoded packed = Decode(PackedRequest(50));
  ASSERT_TRUE(friendly.status.ok()) << friendly.status;
  ASSERT_TRUE(packed.status.ok()) << packed.status;
  EXPECT_EQ(friendly.context.size(), 3U);
  EXPECT_EQ(friendly.lengths, std::vector<uint32_t>(50, 7));
  EXPECT_EQ(friendly.lengths, packed.lengths);
  ExpectSameBits(friendly.context, packed.context);
  ExpectSameBits(friendly.candidates, packed.candidates);
}

TEST(DecoderTest, ChunksDoNotChangeWhatIsDecoded) {
  for (const auto& request : {FriendlyRequest(50), PackedRequest(50)}) {
    const Decoded whole = Decode(request);
    const Decoded chunked = Decode(request, {}, 7);
    ASSERT_TRUE(chunked.status.ok()) << chunked.status;
    EXPECT_EQ(whole.lengths, chunked.lengths);
    ExpectSameBits(whole.candidates, chunked.candidates);
  }
}

TEST(DecoderTest, FieldsThatAreNotSentAreMissingInBothForms) {
  v1::PredictRequest friendly;
  friendly.mutable_features()->add_candidates();
  v1::PredictRequest packed;
  packed.mutable_packed()->add_candidate_lengths(0);
  const Decoded a = Decode(friendly);
  const Decoded b = Decode(packed);
  ASSERT_TRUE(a.status.ok()) << a.status;
  ASSERT_TRUE(b.status.ok()) << b.status;
  EXPECT_EQ(a.context.keys[0], SampleSchema().missing_key(kUser));
  EXPECT_EQ(a.candidates.keys[0], SampleSchema().missing_key(kAd));
  ExpectSameBits(a.context, b.context);
  ExpectSameBits(a.candidates, b.candidates);
}

TEST(FriendlyDecoderTest, CandidatesMayNameTheirFieldsInDifferentOrders) {
  v1::PredictRequest request = FriendlyRequest(2);
  request.mutable_features()->mutable_candidates(1)->mutable_features()->SwapElements(0, 2);
  const Decoded decoded = Decode(request);
  ASSERT_TRUE(decoded.status.ok()) << decoded.status;
  EXPECT_EQ(decoded.candidates.fields,
            (std::vector<uint8_t>{kAd, kTags, kTags, kPrice, kImage, kImage, kImage,  //
                                  kPrice, kTags, kTags, kAd, kImage, kImage, kImage}));
}

// What is done to a good request, and what the error says then.
struct Mistake {
  std::string what;
  std::function<void(v1::PredictRequest*)> make;
  std::string error;
  RequestLimits limits = {};
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.what; }

class FriendlyMistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(FriendlyMistakeTest, IsAnErrorThatNamesItsPath) {
  v1::PredictRequest request = FriendlyRequest(4);
  GetParam().make(&request);
  EXPECT_THAT(ErrorOf(request, GetParam().limits), HasSubstr(GetParam().error));
}

v1::Feature* CandidateFeature(v1::PredictRequest* request, int index) {
  return request->mutable_features()->mutable_candidates(3)->mutable_features(index);
}

INSTANTIATE_TEST_SUITE_P(
    All, FriendlyMistakeTest,
    testing::Values(
        Mistake{"UnknownField", [](auto* r) { CandidateFeature(r, 2)->set_field("prise"); },
                "features.candidates[3].features[2].field: the model has no field 'prise'"},
        Mistake{
            "ContextFieldInCandidate", [](auto* r) { CandidateFeature(r, 0)->set_field("user"); },
            "features.candidates[3].features[0].strings[0]: field 'user': belongs to the context"},
        Mistake{"ItemFieldInContext",
                [](auto* r) { r->mutable_features()->mutable_context(0)->set_field("ad"); },
                "features.context[0].strings[0]: field 'ad': belongs to the item"},
        Mistake{"TwoValues", [](auto* r) { CandidateFeature(r, 0)->add_strings("x"); },
                "features.candidates[3].features[0].strings[1]: field 'ad': "},
        Mistake{"NotAnInteger",
                [](auto* r) {
                  auto* hour = r->mutable_features()->mutable_context(1);
                  hour->clear_integers();
                  hour->add_strings("noon");
                },
                "features.context[1].strings[0]: field 'hour': "},
        Mistake{"Infinity", [](auto* r) { CandidateFeature(r, 2)->set_numbers(0, 1e300); },
                "features.candidates[3].features[2].numbers[0]: field 'price': "},
        Mistake{"VectorTooShort",
                [](auto* r) { CandidateFeature(r, 3)->mutable_numbers()->RemoveLast(); },
                "features.candidates[3].features: field 'image': "},
        Mistake{"VectorTooLong", [](auto* r) { CandidateFeature(r, 3)->add_numbers(1); },
                "features.candidates[3].features[3].numbers[3]: field 'image': "},
        Mistake{
            "TwoColumns", [](auto* r) { CandidateFeature(r, 0)->add_integers(1); },
            "features.candidates[3].features[0].strings, integers, numbers: more than one of them"},
        Mistake{"WeightsDoNotFit", [](auto* r) { CandidateFeature(r, 1)->add_weights(1); },
                "features.candidates[3].features[1].weights: 3 weights for 2 strings or integers"},
        Mistake{"WeightWhereNoneIsAllowed", [](auto* r) { CandidateFeature(r, 0)->add_weights(2); },
                "features.candidates[3].features[0].strings[0]: field 'ad': weight 2"},
        Mistake{"TooManyCandidates",
                [](auto*) {},
                "features.candidates: 4 candidates, at most 3 are allowed",
                {.max_candidates = 3}},
        Mistake{"ListTooLong",
                [](auto* r) {
                  CandidateFeature(r, 1)->add_strings("t9");
                  CandidateFeature(r, 1)->add_weights(1);
                },
                "features.candidates[3].features: 8 features, at most 7 are allowed",
                {.max_features_per_list = 7}},
        Mistake{"ContextTooLong",
                [](auto*) {},
                "features.context: 3 features, at most 2 are allowed",
                {.max_features_per_list = 2}},
        Mistake{"EmptyFeaturesCount",
                [](auto* r) {
                  for (int i = 0; i < 4; ++i) r->mutable_features()->add_context()->set_field("x");
                },
                "features.context: 4 features, at most 3 are allowed",
                {.max_features_per_list = 3, .max_features_per_request = 1000}},
        Mistake{"TooManyFeatures",
                [](auto*) {},
                "features.candidates[3].features: 31 features in the request so far, at most 30 "
                "are allowed",
                {.max_features_per_request = 30}},
        Mistake{"StringTooLong",
                [](auto* r) { CandidateFeature(r, 1)->set_strings(1, "12345"); },
                "features.candidates[3].features[1].strings[1]: 5 bytes, at most 4 are allowed",
                {.max_string_bytes = 4}}),
    [](const auto& test) { return test.param.what; });

class PackedMistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(PackedMistakeTest, IsAnErrorThatNamesItsPath) {
  v1::PredictRequest request = PackedRequest(4);
  GetParam().make(&request);
  EXPECT_THAT(ErrorOf(request, GetParam().limits), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    All, PackedMistakeTest,
    testing::Values(
        Mistake{"KeyLeftOut", [](auto* r) { r->mutable_packed()->mutable_keys()->RemoveLast(); },
                "packed.keys: 30 keys for 31 features"},
        Mistake{"ValueLeftOut",
                [](auto* r) { r->mutable_packed()->mutable_values()->RemoveLast(); },
                "packed.values: 30 values for 31 features"},
        Mistake{"LengthsTooSmall",
                [](auto* r) { r->mutable_packed()->set_candidate_lengths(0, 6); },
                "packed.candidate_lengths: the lengths of context and candidates add up to 30, but "
                "packed.fields has 31 features"},
        Mistake{"LengthsTooLarge",
                [](auto* r) { r->mutable_packed()->set_candidate_lengths(0, 8); }, "add up to 32"},
        Mistake{"FieldOutOfRange",
                [](auto* r) { (*r->mutable_packed()->mutable_fields())[3] = '\xff'; },
                "packed.candidate_lengths[0]: packed.fields[3]: field index 255"},
        Mistake{
            "ContextFieldInCandidate",
            [](auto* r) { (*r->mutable_packed()->mutable_fields())[10] = kUser; },
            "packed.candidate_lengths[1]: packed.fields[10]: field 'user': belongs to the context"},
        Mistake{"KeyZero", [](auto* r) { r->mutable_packed()->set_keys(0, 0); },
                "packed.context_length: packed.fields[0]: field 'user': key 0"},
        Mistake{"NotFinite", [](auto* r) { r->mutable_packed()->set_values(2, INFINITY); },
                "packed.context_length: packed.fields[2]: field 'age': "},
        Mistake{"VectorOutOfOrder", [](auto* r) { r->mutable_packed()->set_keys(7, 1); },
                "packed.candidate_lengths[0]: packed.fields[7]: field 'image': "},
        Mistake{"TooManyCandidates",
                [](auto*) {},
                "packed.candidate_lengths: 4 candidates, at most 3 are allowed",
                {.max_candidates = 3}},
        Mistake{"ListTooLong",
                [](auto*) {},
                "packed.candidate_lengths[0]: 7 features, at most 6 are allowed",
                {.max_features_per_list = 6}},
        Mistake{"ContextTooLong",
                [](auto*) {},
                "packed.context_length: 3 features, at most 2 are allowed",
                {.max_features_per_list = 2}},
        Mistake{"TooManyFeatures",
                [](auto*) {},
                "packed.fields: 31 features, at most 30 are allowed",
                {.max_features_per_request = 30}}),
    [](const auto& test) { return test.param.what; });

TEST(PackedDecoderTest, LengthsThatWrapAroundAreNotBelieved) {
  v1::PredictRequest request = PackedRequest(2);
  request.mutable_packed()->set_candidate_lengths(0, 0xfffffff9);
  RequestLimits no_limit;
  no_limit.max_features_per_list = SIZE_MAX;
  EXPECT_THAT(ErrorOf(request, no_limit), HasSubstr("add up to 4294967299"));
}

}  // namespace
}  // namespace fmserve::server
