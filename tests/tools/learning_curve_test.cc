#include "tools/report/learning_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {
namespace {

using model::Task;
using ::testing::HasSubstr;

std::string FileWith(const std::string& text) {
  static int files = 0;
  const std::string path =
      absl::StrCat(::testing::TempDir(), "learning_curve_", getpid(), "_", files++, ".json");
  std::ofstream(path) << text;
  return path;
}

std::string ErrorOf(const std::string& text) {
  const auto curve = ReadLearningCurve(FileWith(text), Task::kBinary);
  EXPECT_EQ(curve.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(curve.status().message());
}

TEST(LearningCurveTest, ReadsWhatTrainPrinted) {
  const auto curve = ReadLearningCurve(FileWith(R"({"best_epoch": 2, "curve": [
          {"epoch": 1, "train_loss": 0.5, "valid_loss": 0.6},
          {"epoch": 2, "train_loss": 0.4, "valid_loss": null}]})"),
                                       Task::kBinary);
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->epochs.size(), 2U);
  EXPECT_EQ(curve->best_epoch, 2U);
  EXPECT_EQ(curve->epochs[0].train_loss, 0.5);
  EXPECT_EQ(curve->epochs[0].valid_loss, 0.6);
  EXPECT_FALSE(curve->epochs[1].valid_loss.has_value());
}

TEST(LearningCurveTest, HalfTheSquaredErrorIsShownAsRmse) {
  const auto curve = ReadLearningCurve(
      FileWith(R"({"curve": [{"epoch": 1, "train_loss": 0.5, "valid_loss": 0.9}]})"),
      Task::kRegression);
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_DOUBLE_EQ(curve->epochs[0].train_loss, 1.0);
  EXPECT_DOUBLE_EQ(*curve->epochs[0].valid_loss, 0.9);
}

TEST(LearningCurveTest, LongRunsAreThinned) {
  std::string text = R"({"curve": [)";
  for (int epoch = 1; epoch <= 1001; ++epoch) {
    absl::StrAppend(&text, epoch == 1 ? "" : ",", R"({"epoch": )", epoch,
                    R"(, "train_loss": 0.5})");
  }
  const auto curve = ReadLearningCurve(FileWith(text + "]}"), Task::kBinary);
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_LE(curve->epochs.size(), kMaxCurveEpochs);
  EXPECT_GT(curve->epochs.size(), kMaxCurveEpochs / 2);
  EXPECT_EQ(curve->epochs[1].epoch, 7U);
}

TEST(LearningCurveTest, RefusesWhatIsNoneAndSaysWhatIsWanted) {
  EXPECT_THAT(ErrorOf("epoch 1"), HasSubstr("fm train --json"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("no list \"curve\""));
  EXPECT_THAT(ErrorOf(R"({"curve": [{"epoch": 1}]})"), HasSubstr("no train_loss"));
  EXPECT_THAT(ErrorOf(R"({"curve": [{"epoch": -1, "train_loss": 0.1}]})"), HasSubstr("no epoch"));
  EXPECT_EQ(ReadLearningCurve("/nowhere/train.json", Task::kBinary).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fmserve::tools
