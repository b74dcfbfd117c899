#include "tools/tune/checkpoint_shelf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {
namespace {

using ::testing::ElementsAre;

// Each checkpoint has 100 bytes; rung 2 is the last.
class CheckpointShelfTest : public ::testing::Test {
 protected:
  CheckpointShelfTest() : folder_(absl::StrCat(::testing::TempDir(), "shelf_", getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  ~CheckpointShelfTest() override { std::filesystem::remove_all(folder_); }

  static void Done(CheckpointShelf& shelf, uint32_t trial, uint32_t rung,
                   std::optional<double> loss) {
    std::ofstream(shelf.PathOf(trial)) << std::string(100, 'x');
    shelf.Put(trial, rung, loss);
  }

  static std::vector<uint32_t> Kept(const CheckpointShelf& shelf) {
    std::vector<uint32_t> kept;
    for (uint32_t trial = 0; trial < 10; ++trial) {
      if (std::filesystem::exists(shelf.PathOf(trial))) kept.push_back(trial);
    }
    return kept;
  }

  std::string folder_;
};

TEST_F(CheckpointShelfTest, TheBestTrialsHaveTheRoom) {
  CheckpointShelf shelf(folder_, 250, 2);
  Done(shelf, 0, 0, 0.5);
  Done(shelf, 1, 0, 0.6);
  EXPECT_THAT(Kept(shelf), ElementsAre(0, 1));
  Done(shelf, 2, 1, 0.4);
  EXPECT_THAT(Kept(shelf), ElementsAre(0, 2));
  Done(shelf, 3, 0, 0.9);
  EXPECT_THAT(Kept(shelf), ElementsAre(0, 2));
}

TEST_F(CheckpointShelfTest, OfTrialsThatDoNotGoOnOnlyTheBestIsKept) {
  CheckpointShelf shelf(folder_, 1000, 2);
  Done(shelf, 0, 2, 0.5);
  Done(shelf, 1, 0, 0.6);
  EXPECT_THAT(Kept(shelf), ElementsAre(0, 1));
  Done(shelf, 2, 2, 0.4);
  EXPECT_THAT(Kept(shelf), ElementsAre(1, 2));
  Done(shelf, 3, 0, std::nullopt);
  EXPECT_THAT(Kept(shelf), ElementsAre(1, 2)) << "a diverged trial is out";
  shelf.KeepBest();
  EXPECT_THAT(Kept(shelf), ElementsAre(2));
}

TEST_F(CheckpointShelfTest, TheBestIsKeptEvenWithoutRoom) {
  CheckpointShelf shelf(folder_, 0, 2);
  Done(shelf, 4, 0, 0.5);
  EXPECT_THAT(Kept(shelf), ElementsAre(4));
}

}  // namespace
}  // namespace fmserve::tools
