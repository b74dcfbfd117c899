// Parsing a request of 200 candidates of 10 features and 20 of the context, in the packed form and
// in the friendly one with names and strings, into a message that has held such a one before, as
// those of pooled calls have. The packed form may take 1 ns per feature.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "fmserve/v1/prediction.pb.h"

namespace fmserve::bench {
namespace {

constexpr uint32_t kContextFeatures = 20;
constexpr uint32_t kCandidates = 200;
constexpr uint32_t kFeaturesPerCandidate = 10;
constexpr uint32_t kFeatures = kContextFeatures + kCandidates * kFeaturesPerCandidate;

std::string PackedBytes() {
  std::mt19937_64 random(1);
  v1::PredictRequest request;
  request.set_model("ctr");
  v1::PackedFeatures& packed = *request.mutable_packed();
  for (uint32_t i = 0; i < kFeatures; ++i) {
    const uint32_t field = i < kContextFeatures
                               ? i
                               : kContextFeatures + (i - kContextFeatures) % kFeaturesPerCandidate;
    packed.mutable_fields()->push_back(static_cast<char>(field));
    packed.add_keys(random());
  }
  packed.set_context_length(kContextFeatures);
  for (uint32_t c = 0; c < kCandidates; ++c) packed.add_candidate_lengths(kFeaturesPerCandidate);
  return request.SerializeAsString();
}

void SetFeature(uint32_t field, uint64_t value, v1::Feature* feature) {
  feature->set_field(absl::StrCat("field", field));
  feature->add_strings(absl::StrCat("value", value % 1'000'000));
}

std::string FriendlyBytes() {
  std::mt19937_64 random(1);
  v1::PredictRequest request;
  request.set_model("ctr");
  v1::Features& features = *request.mutable_features();
  for (uint32_t f = 0; f < kContextFeatures; ++f) SetFeature(f, random(), features.add_context());
  for (uint32_t c = 0; c < kCandidates; ++c) {
    v1::Candidate& candidate = *features.add_candidates();
    for (uint32_t f = 0; f < kFeaturesPerCandidate; ++f)
      SetFeature(kContextFeatures + f, random(), candidate.add_features());
  }
  return request.SerializeAsString();
}

void Parse(benchmark::State& state, const std::string& bytes) {
  v1::PredictRequest request;
  for (auto _ : state) {
    request.Clear();
    if (!request.ParseFromString(bytes)) std::abort();
    benchmark::DoNotOptimize(request);
  }
  state.counters["per_feature"] = benchmark::Counter(
      kFeatures, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = static_cast<double>(bytes.size());
}

void ParsePacked(benchmark::State& state) { Parse(state, PackedBytes()); }
void ParseFriendly(benchmark::State& state) { Parse(state, FriendlyBytes()); }

BENCHMARK(ParsePacked)->Unit(benchmark::kMicrosecond);
BENCHMARK(ParseFriendly)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fmserve::bench
