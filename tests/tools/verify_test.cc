#include "tools/load/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "loader/manifest.h"
#include "model/kernels/kernels.h"
#include "model/weight_writer.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

constexpr size_t kCandidates = 3;

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    auto schema = model::FeatureSchema::Create(
        {{.name = "user"}, {.name = "ad", .side = model::Side::kItem}});
    log_.schema = *std::move(schema);
    for (int i = 0; i < 4; ++i) {
      log_.contexts.push_back({"u" + std::to_string(i), ""});
      log_.items.push_back({"", "ad" + std::to_string(i)});
    }
    std::filesystem::create_directories(store_ / "ctr");
    WriteVersion(1, 0.1F);
    WriteVersion(2, 0.2F);
  }
  ~VerifyTest() override { std::filesystem::remove_all(store_); }

  std::string PathOf(uint64_t version) const {
    return store_ / "ctr" / loader::WeightFileName(version);
  }

  void WriteVersion(uint64_t version, float w) {
    model::WeightFileOptions options;
    options.model_name = "ctr";
    options.version = version;
    options.k = 1;
    options.schema = log_.schema;
    model::WeightWriter writer(options);
    for (int i = 0; i < 4; ++i) {
      const std::vector<float> v = {w * static_cast<float>(i + 1)};
      for (size_t field : {0, 1}) {
        const std::string value = (field == 0 ? "u" : "ad") + std::to_string(i);
        const uint64_t key = model::ValueKey(log_.schema.seed(field), value);
        ASSERT_TRUE(
            writer
                .AddRow(
                    {.key = key, .field = static_cast<uint8_t>(field), .value = {}, .w = w, .v = v})
                .ok());
      }
    }
    const absl::Status status = writer.Finish(PathOf(version));
    ASSERT_TRUE(status.ok()) << status;
  }

  // What an honest server answers to request `index` with `version`.
  std::vector<float> Predictions(uint32_t index, uint64_t version) const {
    const auto file = model::WeightFile::Open(PathOf(version));
    const model::Scorer scorer(**file, **model::DefaultKernels());
    return *PredictOffline(log_, PlanRequest(log_, index, kCandidates), **file, scorer);
  }

  static LoadRecord Record(uint32_t request, uint64_t version,
                           const std::vector<float>& predictions, uint32_t scored) {
    return {.version = version,
            .fingerprint = Fingerprint(predictions.data(), scored),
            .request = request,
            .scored_count = scored,
            .partial = scored < kCandidates};
  }

  absl::StatusOr<VerifyResult> Verify(const std::vector<LoadRecord>& records) const {
    return VerifyResponses(records, log_, kCandidates, store_, "ctr");
  }

  const std::filesystem::path store_ =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  ClickLog log_;
};

TEST_F(VerifyTest, HonestAnswersOfSeveralVersionsAreRight) {
  const auto result = Verify({Record(0, 1, Predictions(0, 1), kCandidates),
                              Record(0, 2, Predictions(0, 2), kCandidates),
                              Record(7, 2, Predictions(7, 2), kCandidates)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->checked, 3U);
  EXPECT_EQ(result->wrong, 0U) << result->first_wrong;
}

TEST_F(VerifyTest, APartialAnswerIsRightAsFarAsItGoes) {
  const auto result =
      Verify({Record(0, 1, Predictions(0, 1), 2), Record(0, 1, Predictions(0, 1), 0)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->wrong, 0U);
}

TEST_F(VerifyTest, AnAnswerThatIsPartialAndDoesNotSayItIsWrong) {
  LoadRecord silent = Record(0, 1, Predictions(0, 1), 2);
  silent.partial = false;
  const auto result = Verify({silent});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->wrong, 1U);
}

TEST_F(VerifyTest, AnAnswerThatNamesNoVersionIsWrong) {
  const auto result = Verify({Record(0, 0, Predictions(0, 1), kCandidates)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->checked, 1U);
  EXPECT_EQ(result->wrong, 1U);
}

TEST_F(VerifyTest, AnAnswerThatMixesTwoVersionsIsWrong) {
  std::vector<float> mixed = Predictions(0, 1);
  mixed.back() = Predictions(0, 2).back();
  const auto result = Verify({Record(0, 1, mixed, kCandidates), Record(0, 2, mixed, kCandidates)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->wrong, 2U);
  EXPECT_THAT(result->first_wrong, HasSubstr("version 1"));
}

TEST_F(VerifyTest, AnAnswerThatNamesTheWrongVersionIsWrong) {
  const auto result = Verify({Record(3, 2, Predictions(3, 1), kCandidates)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->wrong, 1U);
}

TEST_F(VerifyTest, RequestsWithoutAnAnswerAreNotChecked) {
  const auto result = Verify({{.request = 1, .outcome = 14}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->checked, 0U);
}

TEST_F(VerifyTest, AVersionThatTheStoreLacksIsAnError) {
  const auto result = Verify({Record(0, 9, Predictions(0, 1), kCandidates)});
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("version 9"));
}

}  // namespace
}  // namespace fmserve::tools
