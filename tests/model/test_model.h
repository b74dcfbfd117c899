// Small weight files for the tests of what reads them.
#ifndef FMSERVE_TESTS_MODEL_TEST_MODEL_H_
#define FMSERVE_TESTS_MODEL_TEST_MODEL_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/feature_list.h"
#include "model/weight_file.h"
#include "model/weight_writer.h"

namespace fmserve::model {

// Fields of the test models. Only kTag may have a rare row.
inline constexpr uint8_t kUser = 0;
inline constexpr uint8_t kAd = 1;
inline constexpr uint8_t kTag = 2;

inline FeatureSchema TestSchema() {
  std::vector<Field> fields(3);
  for (Field& field : fields) {
    field.value_type = ValueType::kInteger;
    field.side = Side::kItem;
  }
  fields[kUser].name = "user";
  fields[kUser].side = Side::kContext;
  fields[kAd].name = "ad";
  fields[kTag].name = "tag";
  fields[kTag].kind = FieldKind::kMultiValued;
  fields[kTag].min_count = 2;
  auto schema = FeatureSchema::Create(std::move(fields));
  EXPECT_TRUE(schema.ok()) << schema.status();
  return *std::move(schema);
}

inline uint64_t KeyOf(uint8_t field, int64_t value) {
  static const FeatureSchema schema = TestSchema();
  return ValueKey(schema.seed(field), value);
}

// Adds integer values of fields to a list of features.
inline void AddFeature(FeatureList& list, uint8_t field, int64_t value, float x = 1.0F) {
  list.Add(KeyOf(field, value), x, field);
}

// Writes rows to a file of its own and opens it.
class TestModel {
 public:
  TestModel(Quantization quantization, uint32_t k, double w0,
            std::optional<FieldMatrix> field_matrix = {})
      : writer_(Options(quantization, k, w0, std::move(field_matrix))) {}

  void AddRow(uint8_t field, int64_t value, float w, const std::vector<float>& v) {
    AddKey(KeyOf(field, value), field, w, v);
  }
  void AddRareRow(float w, const std::vector<float>& v) {
    AddKey(TestSchema().rare_key(kTag), kTag, w, v);
  }

  void AddKey(uint64_t key, uint8_t field, float w, const std::vector<float>& v) {
    const absl::Status added =
        writer_.AddRow({.key = key, .field = field, .value = "", .w = w, .v = v});
    EXPECT_TRUE(added.ok()) << added;
  }

  std::shared_ptr<const WeightFile> Open() {
    static int files = 0;
    const std::string path = ::testing::TempDir() + "test_model_" + std::to_string(getpid()) + "_" +
                             std::to_string(files++) + ".fmw";
    const absl::Status written = writer_.Finish(path);
    EXPECT_TRUE(written.ok()) << written;
    auto file = WeightFile::Open(path);
    EXPECT_TRUE(file.ok()) << file.status();
    unlink(path.c_str());
    return file.ok() ? *file : nullptr;
  }

 private:
  static WeightFileOptions Options(Quantization quantization, uint32_t k, double w0,
                                   std::optional<FieldMatrix> field_matrix) {
    WeightFileOptions options;
    options.model_name = "test";
    options.quantization = quantization;
    options.k = k;
    options.w0 = w0;
    options.schema = TestSchema();
    options.field_matrix = std::move(field_matrix);
    return options;
  }

  WeightWriter writer_;
};

// Numbers of either sign.
inline FieldMatrix RandomFieldMatrix(uint32_t rank, size_t fields_count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  FieldMatrix matrix{.rank = rank,
                     .scales = std::vector<float>(rank),
                     .factors = std::vector<float>(fields_count * rank)};
  for (float& scale : matrix.scales) scale = normal(random);
  for (float& factor : matrix.factors) factor = normal(random);
  return matrix;
}

// Values 0 .. values_per_field - 1 of every field, with random rows.
inline std::shared_ptr<const WeightFile> RandomModel(Quantization quantization, uint32_t k,
                                                     int64_t values_per_field, uint32_t seed,
                                                     std::optional<FieldMatrix> matrix = {}) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  TestModel model(quantization, k, -1.5, std::move(matrix));
  for (const uint8_t field : {kUser, kAd, kTag}) {
    for (int64_t value = 0; value < values_per_field; ++value) {
      std::vector<float> v(k);
      for (float& element : v) element = 0.2F * normal(random);
      model.AddRow(field, value, normal(random), v);
    }
  }
  return model.Open();
}

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_TEST_MODEL_H_
