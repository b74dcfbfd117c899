// A model with a field of every kind, for the tests of what serves it.
#ifndef FMSERVE_TESTS_SERVER_SAMPLE_MODEL_H_
#define FMSERVE_TESTS_SERVER_SAMPLE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fmserve/v1/prediction.pb.h"
#include "loader/snapshot.h"
#include "model/feature_schema.h"

namespace fmserve::server {

// Fields of the sample model, in their order.
enum SampleField : uint8_t { kUser, kHour, kAge, kAd, kTags, kPrice, kImage };

// user (string), hour (integer), age (numeric, log): context.
// ad (string), tags (strings with weights, mean), price (numeric, boundaries 1 and 10), image
// (vector of 3): item.
model::FeatureSchema SampleSchema();

// Users u0 to u9, hours 0 to 23, ads a0 to a99, tags t0 to t9; k = 8, f32; weights drawn from
// `seed`; all scores are higher by `shift`.
void WriteSampleFile(const std::string& path, uint32_t seed, double shift = 0.0);

// The same, opened. Its version is 7.
std::shared_ptr<const loader::Snapshot> SampleSnapshot(uint32_t seed = 1);

// A catalogue of the `count` candidates of FriendlyRequest(count), with ids 0, 1 ….
void WriteSampleCatalogue(const std::string& path, int count);

// `count` candidates with every field, ads a0, a1 … in turn; ad numbers from 100 on are unknown.
v1::PredictRequest FriendlyRequest(int count);

// The same features as a client that hashes sends them.
v1::PredictRequest PackedRequest(int count);

// The predictions of FriendlyRequest(count), computed without the server: encoder and scorer alone.
std::vector<float> ExpectedPredictions(const loader::Snapshot& snapshot, int count);

// A new folder below the test's temporary directory.
std::string NewFolder();

}  // namespace fmserve::server

#endif  // FMSERVE_TESTS_SERVER_SAMPLE_MODEL_H_
