#include "trainer/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "model/weight_file.h"
#include "model/weight_writer.h"
#include "trainer/table_scorer.h"

namespace fmserve::trainer {
namespace {

constexpr char kSchema[] = R"(
task: binary
label: click
fields:
  - {name: user, side: context, value_type: integer}
  - {name: history, side: context, kind: multi_valued, combiner: mean, min_count: 2}
  - {name: age, side: context, kind: numeric, transform: standardise}
  - {name: ad, side: item, min_count: 2}
)";

class PackTest : public testing::TestWithParam<model::Quantization> {
 protected:
  void SetUp() override {
    const std::string table = prefix_ + ".tsv";
    std::ofstream out(table);
    std::mt19937_64 random(5);
    out << "click\tuser\thistory\tage\tad\n";
    for (int i = 0; i < 400; ++i) {
      out << random() % 2 << '\t' << random() % 20 << "\tn" << random() % 30 << "|n"
          << random() % 30 << '\t';
      if (i % 10 != 0) out << 18 + random() % 50;
      out << "\tad" << random() % 40 * (random() % 9) << '\n';
    }
    out.close();
    schema_ = *ParseSchemaYaml(kSchema, "schema.yaml");
    absl::StatusOr<TrainingData> data = ReadTrainingData(table, schema_, {});
    ASSERT_TRUE(data.ok()) << data.status();
    data_ = *std::move(data);
    std::normal_distribution<float> normal(0.0F, 0.3F);
    parameters_.k = 5;
    parameters_.w0 = -1.25;
    for (size_t row = 0; row < data_.vocabulary.size(); ++row) {
      parameters_.w.push_back(normal(random));
      for (int f = 0; f < 5; ++f) parameters_.v.push_back(normal(random));
    }
  }

  void TearDown() override {
    std::filesystem::remove(prefix_ + ".tsv");
    std::filesystem::remove(prefix_ + ".fmw");
  }

  std::shared_ptr<const model::WeightFile> PackAndOpen() {
    const absl::Status status = Pack({.model_name = "ctr", .quantization = GetParam()}, data_,
                                     parameters_, {{"option.k", "5"}}, prefix_ + ".fmw");
    EXPECT_TRUE(status.ok()) << status;
    absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
        model::WeightFile::Open(prefix_ + ".fmw");
    EXPECT_TRUE(file.ok()) << file.status();
    return *file;
  }

  const std::string prefix_ = testing::TempDir() + "pack_test_" + std::to_string(getpid());
  TrainingSchema schema_;
  TrainingData data_;
  Parameters parameters_;
};

TEST_P(PackTest, TheScorerFindsTheScoresOfTheTrainer) {
  const std::unique_ptr<TableScorer> scorer = *TableScorer::Create(PackAndOpen());
  const absl::StatusOr<GoldenReport> report = CheckGoldens(*scorer);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->goldens, 32U);
  EXPECT_LT(report->max_error, 1e-6);
}

TEST_P(PackTest, TheScorerFindsTheScoresOfAFieldWeightedModel) {
  parameters_.field_matrix =
      model::FieldMatrix{.rank = 2,
                         .scales = {1.5F, -0.75F},
                         .factors = {1.0F, 0.5F, -0.25F, 2.0F, 0.75F, -1.0F, 1.25F, 0.5F}};
  const std::shared_ptr<const model::WeightFile> file = PackAndOpen();
  EXPECT_EQ(file->field_matrix(), parameters_.field_matrix);
  const std::unique_ptr<TableScorer> scorer = *TableScorer::Create(file);
  const absl::StatusOr<GoldenReport> report = CheckGoldens(*scorer);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->goldens, 32U);
  EXPECT_LT(report->max_error, 1e-6);
}

TEST_P(PackTest, EveryRowStandsUnderItsName) {
  const std::shared_ptr<const model::WeightFile> file = PackAndOpen();
  EXPECT_EQ(file->info().rows_count, data_.vocabulary.size());
  EXPECT_EQ(file->info().model_name, "ctr");
  EXPECT_EQ(file->counts()->rows, 400U);
  EXPECT_EQ(file->schema().Serialize(), data_.schema.Serialize());
  EXPECT_EQ(file->metadata(), (model::Metadata{{"option.k", "5"}}));
  for (size_t row = 0; row < data_.vocabulary.size(); ++row) {
    const Feature& feature = data_.vocabulary[row];
    const uint32_t slot = file->dictionary().Find(feature.key);
    ASSERT_NE(slot, model::kNoSlot);
    const std::optional<model::FeatureName> name = file->name(slot);
    ASSERT_TRUE(name);
    EXPECT_EQ(name->field, feature.field);
    EXPECT_EQ(name->value, feature.value);
    EXPECT_EQ(file->counts()->of_slots[slot], feature.count);
  }
}

INSTANTIATE_TEST_SUITE_P(Quantizations, PackTest,
                         testing::Values(model::Quantization::kF32, model::Quantization::kF16,
                                         model::Quantization::kInt8));

TEST_F(PackTest, GoldensCoverMissingAndUnknownValues) {
  const absl::StatusOr<std::vector<model::Golden>> goldens = MakeGoldens(data_, parameters_);
  ASSERT_TRUE(goldens.ok()) << goldens.status();
  bool has_missing = false;
  bool has_unseen = false;
  bool has_empty_row = false;
  for (const model::Golden& golden : *goldens) {
    ASSERT_EQ(golden.cells.size(), 4U);
    const bool empty = golden.cells == std::vector<std::string>(4);
    has_empty_row |= empty;
    has_missing |= !empty && golden.cells[0].empty();
    has_unseen |= golden.cells[3].starts_with("unseen");
  }
  EXPECT_TRUE(has_missing);
  EXPECT_TRUE(has_unseen);
  EXPECT_TRUE(has_empty_row);
}

TEST_F(PackTest, AFieldMatrixThatDoesNotFitIsRefused) {
  parameters_.field_matrix =
      model::FieldMatrix{.rank = 1, .scales = {1.0F}, .factors = {1.0F, 1.0F, 1.0F}};
  const absl::Status status = Pack({}, data_, parameters_, {}, prefix_ + ".fmw");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            "field matrix: 1 scales and 3 factors, but rank 1 and 4 fields take 1 and 4");
}

TEST_F(PackTest, ValuesThatDoNotFitAreRefused) {
  parameters_.v[7] = 1e6F;
  const absl::Status status =
      RoundParameters(model::Quantization::kF16, data_, parameters_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const size_t row = 7 / parameters_.k;
  EXPECT_THAT(std::string(status.message()),
              testing::StartsWith("feature '" + data_.vocabulary[row].value + "' of field '" +
                                  data_.schema.field(data_.vocabulary[row].field).name + "': v["));
  EXPECT_TRUE(RoundParameters(model::Quantization::kF32, data_, parameters_).ok());
}

TEST_F(PackTest, AWrongGoldenIsNoticed) {
  model::WeightWriter writer(
      {.model_name = "ctr", .calibration = {}, .k = 1, .w0 = 0.5, .schema = schema_.features});
  writer.AddGolden({.cells = std::vector<std::string>(4), .score = 0.75});
  ASSERT_TRUE(writer.Finish(prefix_ + ".fmw").ok());
  const std::unique_ptr<TableScorer> scorer =
      *TableScorer::Create(*model::WeightFile::Open(prefix_ + ".fmw"));
  EXPECT_EQ(CheckGoldens(*scorer).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace fmserve::trainer
