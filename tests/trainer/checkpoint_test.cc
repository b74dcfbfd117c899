#include "trainer/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// 4 fields of 10 values each, and labels by the parity of two of them, with noise.
Examples DrawExamples(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  Examples examples;
  for (size_t i = 0; i < size; ++i) {
    uint32_t sum = 0;
    for (uint32_t field = 0; field < 4; ++field) {
      const auto value = static_cast<uint32_t>(random() % 10);
      if (field < 2) sum += value;
      examples.entries.push_back({field * 10 + value, 1.0F});
    }
    examples.ends.push_back(examples.entries.size());
    examples.labels.push_back(random() % 10 < 2 + 6 * (sum % 2) ? 1.0F : 0.0F);
  }
  return examples;
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    path_ = absl::StrCat(::testing::TempDir(), "checkpoint_", getpid(), ".ckpt");
    std::filesystem::remove(path_);
    keys_.resize(40);
    std::iota(keys_.begin(), keys_.end(), 100U);
    options_.learner = {.k = 6, .learning_rate = 0.2, .init_stddev = 0.1, .step_decay = 0.95};
    options_.epochs = 9;
    options_.patience = 9;
  }
  ~CheckpointTest() override { std::filesystem::remove(path_); }

  FitResult Uninterrupted(const Examples* valid) const {
    return Fit(options_, {keys_, train_, valid}, {});
  }

  absl::StatusOr<FitResult> UpTo(uint32_t epochs, const Examples* valid) {
    FitOptions options = options_;
    options.epochs = epochs;
    return Fit(options, {keys_, train_, valid}, observer_, {.path = path_}, alone_);
  }

  std::string ReadFile() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void WriteFile(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  std::string path_;
  std::vector<uint64_t> keys_;
  const Examples train_ = DrawExamples(700, 1);
  const Examples valid_ = DrawExamples(300, 2);
  FitOptions options_;
  OneRank alone_;
  FitObserver observer_;
};

void ExpectSameBits(const FitResult& a, const FitResult& b) {
  EXPECT_EQ(a.parameters.w0, b.parameters.w0);
  EXPECT_EQ(a.parameters.k, b.parameters.k);
  EXPECT_EQ(a.parameters.w, b.parameters.w);
  EXPECT_EQ(a.parameters.v, b.parameters.v);
  EXPECT_EQ(a.best_epoch, b.best_epoch);
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].train_loss, b.epochs[i].train_loss) << "epoch " << i + 1;
    EXPECT_EQ(a.epochs[i].best, b.epochs[i].best);
    ASSERT_EQ(a.epochs[i].valid.has_value(), b.epochs[i].valid.has_value());
    if (!a.epochs[i].valid) continue;
    EXPECT_EQ(a.epochs[i].valid->logloss, b.epochs[i].valid->logloss);
    EXPECT_EQ(a.epochs[i].valid->auc, b.epochs[i].valid->auc);
  }
}

TEST_F(CheckpointTest, AResumedTrainingIsTheUninterruptedOneBitByBitWhereverItWasCut) {
  for (const Examples* valid : {&valid_, static_cast<const Examples*>(nullptr)}) {
    const FitResult whole = Uninterrupted(valid);
    for (uint32_t cut = 1; cut <= 9; ++cut) {
      std::filesystem::remove(path_);
      ASSERT_TRUE(UpTo(cut, valid).ok());
      const absl::StatusOr<FitResult> resumed = UpTo(9, valid);
      ASSERT_TRUE(resumed.ok()) << resumed.status();
      SCOPED_TRACE(absl::StrCat("cut behind epoch ", cut));
      ExpectSameBits(*resumed, whole);
    }
  }
}

TEST_F(CheckpointTest, TheBestEpochMayLieBeforeTheCheckpoint) {
  options_.learner.l2_factors = 0.0;  // it overfits
  options_.learner.learning_rate = 0.5;
  const FitResult whole = Uninterrupted(&valid_);
  ASSERT_LT(whole.best_epoch, 6U) << "the test needs an early best epoch";
  ASSERT_TRUE(UpTo(7, &valid_).ok());
  const absl::StatusOr<FitResult> resumed = UpTo(9, &valid_);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  ExpectSameBits(*resumed, whole);
}

TEST_F(CheckpointTest, PatienceThatIsUsedUpStaysSo) {
  options_.patience = 1;
  options_.learner.l2_factors = 0.0;
  options_.learner.learning_rate = 0.5;
  const FitResult whole = Uninterrupted(&valid_);
  ASSERT_LT(whole.epochs.size(), 9U) << "the test needs one that stops early";
  ASSERT_TRUE(UpTo(9, &valid_).ok());
  uint32_t last = 0;
  observer_.resumed = [&](const EpochReport& report) { last = report.epoch; };
  observer_.epoch_done = [](const EpochReport&) { ADD_FAILURE() << "trained on"; };
  const absl::StatusOr<FitResult> again = UpTo(9, &valid_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(last, whole.epochs.size());
  ExpectSameBits(*again, whole);
}

TEST_F(CheckpointTest, WhatDiffersIsNamed) {
  ASSERT_TRUE(UpTo(2, &valid_).ok());
  options_.learner.learning_rate = 0.2000001;
  EXPECT_THAT(std::string(UpTo(9, &valid_).status().message()),
              AllOf(HasSubstr(path_), HasSubstr("differs in --learning-rate;")));
  options_.learner.learning_rate = 0.2;
  EXPECT_THAT(std::string(UpTo(9, nullptr).status().message()),
              HasSubstr("differs in validation rows;"));
  const Examples other = DrawExamples(700, 3);
  const absl::StatusOr<FitResult> other_rows =
      Fit(options_, {keys_, other, &valid_}, {}, {.path = path_}, alone_);
  EXPECT_TRUE(absl::IsFailedPrecondition(other_rows.status()));
  EXPECT_THAT(std::string(other_rows.status().message()), HasSubstr("differs in training rows;"));
  keys_[3] = 7;  // another value: its factors start elsewhere
  EXPECT_THAT(std::string(UpTo(9, &valid_).status().message()),
              HasSubstr("differs in parameters at the start;"));
  keys_[3] = 103;
  EXPECT_THAT(std::string(UpTo(1, &valid_).status().message()),
              HasSubstr("has 2 epochs, more than --epochs 1"));
  options_.patience = 3;
  options_.learner.threads = 2;
  EXPECT_TRUE(UpTo(9, &valid_).ok()) << "how long and how fast may differ";
}

TEST_F(CheckpointTest, DamageAnywhereIsFound) {
  ASSERT_TRUE(UpTo(3, &valid_).ok());
  const std::string good = ReadFile();
  for (size_t i = 0; i < good.size(); i += good.size() / 97) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    WriteFile(bad);
    EXPECT_FALSE(UpTo(9, &valid_).ok()) << "byte " << i;
  }
  for (const size_t size : {size_t{0}, size_t{7}, size_t{40}, good.size() / 2, good.size() - 1}) {
    WriteFile(good.substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(UpTo(9, &valid_).status())) << size << " bytes";
  }
  WriteFile(good + "x");
  EXPECT_THAT(std::string(UpTo(9, &valid_).status().message()), HasSubstr("remove it"));
  WriteFile(good);
  EXPECT_TRUE(UpTo(9, &valid_).ok());
}

TEST_F(CheckpointTest, ALossThatIsNotFiniteLeavesTheCheckpointBeforeIt) {
  options_.learner.task = model::Task::kRegression;
  options_.learner.learning_rate = 1e30;
  const absl::StatusOr<FitResult> diverged = UpTo(9, &valid_);
  ASSERT_TRUE(diverged.ok()) << diverged.status();
  EXPECT_TRUE(diverged->diverged);
  EXPECT_LT(diverged->epochs.size(), 9U);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CheckpointTest, AFolderThatIsNotThereIsAnErrorWithItsName) {
  path_ = ::testing::TempDir() + "no such folder/c.ckpt";
  EXPECT_THAT(std::string(UpTo(2, &valid_).status().message()), HasSubstr(path_));
}

}  // namespace
}  // namespace fmserve::trainer
