#include "tests/server/sample_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <random>
#include <utility>

#include "model/catalogue_writer.h"
#include "model/feature_encoder.h"
#include "model/kernels/kernels.h"
#include "model/weight_file.h"
#include "model/weight_writer.h"

namespace fmserve::server {

using model::FeatureSchema;
using model::Field;
using model::FieldKind;
using model::Side;

namespace {

constexpr uint32_t kK = 8;

// What candidate i of the requests carries.
std::string AdOf(int i) { return "a" + std::to_string(i); }
std::string TagOf(int i) { return "t" + std::to_string(i % 10); }
double PriceOf(int i) { return 0.5 * i; }
std::array<double, 3> ImageOf(int i) { return {0.1 * i, -0.3, 1.0 / (1 + i)}; }

class RowMaker {
 public:
  RowMaker(model::WeightWriter* writer, uint32_t seed) : writer_(writer), random_(seed) {}

  void Add(uint8_t field, uint64_t key) {
    std::array<float, kK> v = {};
    for (float& element : v) element = 0.2F * normal_(random_);
    const absl::Status added = writer_->AddRow(
        {.key = key, .field = field, .value = "", .w = 0.3F * normal_(random_), .v = v});
    ASSERT_TRUE(added.ok()) << added;
  }

 private:
  model::WeightWriter* writer_;
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
};

void AddRows(const FeatureSchema& schema, RowMaker* rows) {
  const auto text_key = [&](uint8_t field, const char* prefix, int i) {
    return model::ValueKey(schema.seed(field), prefix + std::to_string(i));
  };
  for (int i = 0; i < 10; ++i) rows->Add(kUser, text_key(kUser, "u", i));
  for (int64_t i = 0; i < 24; ++i) rows->Add(kHour, model::ValueKey(schema.seed(kHour), i));
  rows->Add(kAge, model::NumericKey(schema.seed(kAge), 0));
  for (int i = 0; i < 100; ++i) rows->Add(kAd, text_key(kAd, "a", i));
  for (int i = 0; i < 10; ++i) rows->Add(kTags, text_key(kTags, "t", i));
  for (int64_t i = 0; i < 3; ++i) rows->Add(kPrice, model::NumericKey(schema.seed(kPrice), i));
  for (int64_t i = 0; i < 3; ++i) rows->Add(kImage, model::NumericKey(schema.seed(kImage), i));
}

v1::Feature* AddNamed(const char* field, google::protobuf::RepeatedPtrField<v1::Feature>* list) {
  v1::Feature* feature = list->Add();
  feature->set_field(field);
  return feature;
}

// Candidate i of the requests.
void EncodeItem(const FeatureSchema& schema, int i, model::FeatureList* item) {
  model::FeatureEncoder encoder(schema, item);
  encoder.Begin(Side::kItem);
  EXPECT_TRUE(encoder.AddString(kAd, AdOf(i)).ok());
  EXPECT_TRUE(encoder.AddString(kTags, TagOf(i), 1.0F).ok());
  EXPECT_TRUE(encoder.AddString(kTags, TagOf(i + 1), 2.0F).ok());
  EXPECT_TRUE(encoder.AddNumber(kPrice, PriceOf(i)).ok());
  std::vector<float> image;
  for (const double number : ImageOf(i)) image.push_back(static_cast<float>(number));
  EXPECT_TRUE(encoder.AddVector(kImage, image).ok());
  EXPECT_TRUE(encoder.End().ok());
}

void AddPacked(uint8_t field, uint64_t key, double value, v1::PackedFeatures* packed) {
  packed->mutable_fields()->push_back(static_cast<char>(field));
  packed->add_keys(key);
  packed->add_values(static_cast<float>(value));
}

}  // namespace

FeatureSchema SampleSchema() {
  std::vector<Field> fields(7);
  const std::array names = {"user", "hour", "age", "ad", "tags", "price", "image"};
  for (size_t i = 0; i < fields.size(); ++i) {
    fields[i].name = names[i];
    fields[i].side = i < kAd ? Side::kContext : Side::kItem;
  }
  fields[kHour].value_type = model::ValueType::kInteger;
  fields[kAge].kind = FieldKind::kNumeric;
  fields[kAge].transform = model::Transform::kLog;
  fields[kTags].kind = FieldKind::kMultiValued;
  fields[kTags].weighted = true;
  fields[kTags].combiner = model::Combiner::kMean;
  fields[kPrice].kind = FieldKind::kNumeric;
  fields[kPrice].transform = model::Transform::kBoundaries;
  fields[kPrice].boundaries = {1.0F, 10.0F};
  fields[kImage].kind = FieldKind::kDenseVector;
  fields[kImage].dimension = 3;
  auto schema = FeatureSchema::Create(std::move(fields));
  EXPECT_TRUE(schema.ok()) << schema.status();
  return *std::move(schema);
}

void WriteSampleFile(const std::string& path, uint32_t seed, double shift) {
  model::WeightFileOptions options;
  options.model_name = "ctr";
  options.version = 7;
  options.k = kK;
  options.w0 = -1.0 + shift;
  options.schema = SampleSchema();
  model::WeightWriter writer(options);
  RowMaker rows(&writer, seed);
  AddRows(options.schema, &rows);
  const absl::Status written = writer.Finish(path);
  ASSERT_TRUE(written.ok()) << written;
}

void WriteSampleCatalogue(const std::string& path, int count) {
  model::CatalogueOptions options;
  options.model_name = "ctr";
  options.version = 7;
  options.schema = SampleSchema();
  model::CatalogueWriter writer(options);
  for (int i = 0; i < count; ++i) {
    model::FeatureList features;
    EncodeItem(options.schema, i, &features);
    model::CatalogueItem item;
    item.id = static_cast<uint64_t>(i);
    item.features = features.view();
    const absl::Status added = writer.Add(item);
    ASSERT_TRUE(added.ok()) << added;
  }
  const absl::Status written = writer.Finish(path);
  ASSERT_TRUE(written.ok()) << written;
}

std::shared_ptr<const loader::Snapshot> SampleSnapshot(uint32_t seed) {
  const std::string path = NewFolder() + "/sample.fmw";
  WriteSampleFile(path, seed);
  auto file = model::WeightFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return std::make_shared<loader::Snapshot>(*std::move(file), **model::DefaultKernels());
}

v1::PredictRequest FriendlyRequest(int count) {
  v1::PredictRequest request;
  auto* context = request.mutable_features()->mutable_context();
  AddNamed("user", context)->add_strings("u3");
  AddNamed("hour", context)->add_integers(17);
  AddNamed("age", context)->add_numbers(41.5);
  for (int i = 0; i < count; ++i) {
    auto* features = request.mutable_features()->add_candidates()->mutable_features();
    AddNamed("ad", features)->add_strings(AdOf(i));
    v1::Feature* tags = AddNamed("tags", features);
    for (int j = 0; j < 2; ++j) {
      tags->add_strings(TagOf(i + j));
      tags->add_weights(1.0F + static_cast<float>(j));
    }
    AddNamed("price", features)->add_numbers(PriceOf(i));
    v1::Feature* image = AddNamed("image", features);
    for (const double number : ImageOf(i)) image->add_numbers(number);
  }
  return request;
}

v1::PredictRequest PackedRequest(int count) {
  static const FeatureSchema schema = SampleSchema();
  v1::PredictRequest request;
  v1::PackedFeatures* packed = request.mutable_packed();
  AddPacked(kUser, model::ValueKey(schema.seed(kUser), "u3"), 1, packed);
  AddPacked(kHour, model::ValueKey(schema.seed(kHour), int64_t{17}), 1, packed);
  AddPacked(kAge, 0, 41.5, packed);
  packed->set_context_length(3);
  for (int i = 0; i < count; ++i) {
    AddPacked(kAd, model::ValueKey(schema.seed(kAd), AdOf(i)), 1, packed);
    for (int j = 0; j < 2; ++j)
      AddPacked(kTags, model::ValueKey(schema.seed(kTags), TagOf(i + j)), 1 + j, packed);
    AddPacked(kPrice, 0, PriceOf(i), packed);
    for (size_t d = 0; d < 3; ++d) AddPacked(kImage, d, ImageOf(i)[d], packed);
    packed->add_candidate_lengths(7);
  }
  return request;
}

std::vector<float> ExpectedPredictions(const loader::Snapshot& snapshot, int count) {
  model::Scratch scratch;
  model::FeatureList context;
  model::FeatureEncoder context_encoder(snapshot.schema(), &context);
  context_encoder.Begin(Side::kContext);
  EXPECT_TRUE(context_encoder.AddString(kUser, "u3").ok());
  EXPECT_TRUE(context_encoder.AddInteger(kHour, 17).ok());
  EXPECT_TRUE(context_encoder.AddNumber(kAge, 41.5).ok());
  EXPECT_TRUE(context_encoder.End().ok());
  snapshot.scorer().ScoreContext(context.view(), scratch);
  std::vector<float> predictions;
  for (int i = 0; i < count; ++i) {
    model::FeatureList item;
    EncodeItem(snapshot.schema(), i, &item);
    const std::array lengths = {static_cast<uint32_t>(item.size())};
    std::array<float, 1> score = {};
    snapshot.scorer().ScoreCandidates(item.view(), lengths, scratch, score);
    predictions.push_back(static_cast<float>(snapshot.scorer().Predict(score[0])));
  }
  return predictions;
}

std::string NewFolder() {
  std::string folder = ::testing::TempDir() + "fmserve_XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

}  // namespace fmserve::server
