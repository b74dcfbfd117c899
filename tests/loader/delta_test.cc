#include "loader/delta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class DeltaFiles : public ::testing::Test {
 protected:
  std::string Weights(double w0, const char* name) const {
    WriteTestFile({.w0 = w0, .rows_count = 500}, folder_.Path(name));
    return folder_.Path(name);
  }

  TestFolder folder_;
};

TEST_F(DeltaFiles, MakeThePublishedBytesAgain) {
  const std::string base = Weights(1.0, "base.fmw");
  const std::string result = Weights(2.0, "result.fmw");
  const std::string delta = folder_.Path("d.fmd");
  const auto made = MakeDelta(base, result, delta, model::NeverStop);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->sha256, Sha256Hex(ReadFile(delta)));
  EXPECT_EQ(made->base_sha256, Sha256Hex(ReadFile(base)));
  EXPECT_EQ(made->result_sha256, Sha256Hex(ReadFile(result)));
  const std::string out = folder_.Path("out.fmw");
  const auto applied = ApplyDelta(base, delta, out, 1 << 30, model::NeverStop);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(ReadFile(out), ReadFile(result));
}

TEST_F(DeltaFiles, AreForOneBaseOnly) {
  const std::string base = Weights(1.0, "base.fmw");
  const std::string delta = folder_.Path("d.fmd");
  ASSERT_TRUE(MakeDelta(base, Weights(2.0, "result.fmw"), delta, model::NeverStop).ok());
  const std::string other = Weights(3.0, "other.fmw");
  const absl::Status status =
      ApplyDelta(other, delta, folder_.Path("out.fmw"), 1 << 30, model::NeverStop).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("but that of " + other));
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("out.fmw")));
}

TEST_F(DeltaFiles, AreNotLeftHalfDoneByWhoIsStopped) {
  const std::string base = Weights(1.0, "base.fmw");
  const std::string result = Weights(2.0, "result.fmw");
  int steps = 0;
  const auto stop_late = [&] {
    return ++steps < 8 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  EXPECT_TRUE(
      absl::IsCancelled(MakeDelta(base, result, folder_.Path("d.fmd"), stop_late).status()));
  EXPECT_EQ(ListFolder(folder_.path()), (std::vector<std::string>{"base.fmw", "result.fmw"}));
}

}  // namespace
}  // namespace fmserve::loader
