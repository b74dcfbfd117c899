// Training by several ranks, from reading to the result, beside training by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/trainer/thread_ranks.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"

namespace fmserve::trainer {
namespace {

using testing::HasSubstr;

constexpr const char* kSchema =
    "label: click\n"
    "fields:\n"
    "  - {name: user, min_count: 3}\n"
    "  - {name: ad}\n"
    "  - {name: age, kind: numeric, transform: standardise}\n";

// Rows `begin` to `end` of a log whose clicks depend on the user, the ad and both together.
std::string ClickLog(size_t begin, size_t end) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> users(300);
  std::vector<double> ads(40);
  for (double& user : users) user = normal(random);
  for (double& ad : ads) ad = normal(random);
  std::string text = "click\tuser\tad\tage\n";
  for (size_t row = 0; row < end; ++row) {
    const size_t user = random() % users.size();
    const size_t ad = random() % ads.size();
    const double score = 0.7 * users[user] - 0.5 * ads[ad] + users[user] * ads[ad] - 1.0;
    const bool click = std::generate_canonical<double, 32>(random) < 1.0 / (1.0 + std::exp(-score));
    const size_t age = 20 + random() % 50;
    if (row < begin) continue;
    text += (click ? "1\tu" : "0\tu") + std::to_string(user) + "\ta" + std::to_string(ad) + "\t" +
            std::to_string(age) + "\n";
  }
  return text;
}

class RankTrainingTest : public testing::Test {
 protected:
  RankTrainingTest() {
    std::ofstream(train_) << ClickLog(0, 24000);
    std::ofstream(valid_) << ClickLog(24000, 30000);
  }
  ~RankTrainingTest() override {
    std::filesystem::remove(train_);
    std::filesystem::remove(valid_);
  }

  TrainingData Read(Ranks& ranks, double negatives = 1.0) const {
    absl::StatusOr<TrainingData> data =
        ReadTrainingData(train_, schema_, {.negatives = negatives, .ranks = &ranks});
    EXPECT_TRUE(data.ok()) << data.status();
    return *std::move(data);
  }

  FitResult Train(Ranks& ranks, const FitOptions& options, const FitObserver& observer,
                  const CheckpointOptions& checkpoint = {}) const {
    const TrainingData data = Read(ranks);
    const absl::StatusOr<Examples> valid = ReadExamples(valid_, schema_, data, {});
    EXPECT_TRUE(valid.ok()) << valid.status();
    const std::vector<uint64_t> keys = data.vocabulary.keys();
    const std::vector<uint8_t> fields = data.vocabulary.fields();
    absl::StatusOr<FitResult> fit = Fit(options,
                                        {.keys = keys,
                                         .train = data.examples,
                                         .valid = ranks.rank() == 0 ? &*valid : nullptr,
                                         .fields = {.of_rows = fields, .count = 3}},
                                        observer, checkpoint, ranks);
    EXPECT_TRUE(fit.ok()) << fit.status();
    return *std::move(fit);
  }

  static FitOptions Options() {
    FitOptions options;
    options.learner.k = 4;
    options.learner.learning_rate = 0.1;
    options.learner.l2_factors = 0.002;
    options.epochs = 8;
    options.average_every_rows = 500;
    return options;
  }

  const std::string prefix_ = testing::TempDir() + "rank_training_" + std::to_string(getpid());
  const std::string train_ = prefix_ + "_train.tsv";
  const std::string valid_ = prefix_ + "_valid.tsv";
  const TrainingSchema schema_ = *ParseSchemaYaml(kSchema, "schema.yaml");
};

// "field=value" -> rows that had it.
std::map<std::string, uint64_t> Counts(const Vocabulary& vocabulary) {
  std::map<std::string, uint64_t> counts;
  for (size_t row = 0; row < vocabulary.size(); ++row) {
    counts[std::to_string(vocabulary[row].field) + "=" + vocabulary[row].value] =
        vocabulary[row].count;
  }
  return counts;
}

TEST_F(RankTrainingTest, AllRanksHaveTheVocabularyOfOneProcess) {
  OneRank alone;
  const TrainingData whole = Read(alone);
  std::vector<TrainingData> parts(3);
  RunRanks(3, [&](Ranks& ranks) { parts[ranks.rank()] = Read(ranks); });
  size_t rows = 0;
  for (const TrainingData& part : parts) {
    EXPECT_EQ(Counts(part.vocabulary), Counts(whole.vocabulary));
    EXPECT_EQ(part.vocabulary.keys(), parts[0].vocabulary.keys());
    EXPECT_EQ(part.vocabulary.distinct_values(), whole.vocabulary.distinct_values());
    EXPECT_EQ(part.missing_by_field, whole.missing_by_field);
    EXPECT_EQ(part.rows_count, whole.rows_count);
    EXPECT_EQ(part.entries_count, whole.entries_count);
    EXPECT_EQ(part.schema.field(2).mean, parts[0].schema.field(2).mean);
    EXPECT_EQ(part.schema.field(2).stddev, parts[0].schema.field(2).stddev);
    EXPECT_NEAR(part.schema.field(2).mean, whole.schema.field(2).mean, 1e-9);
    EXPECT_NEAR(part.schema.field(2).stddev, whole.schema.field(2).stddev, 1e-9);
    rows += part.examples.size();
  }
  EXPECT_EQ(rows, whole.examples.size());
}

// Labels and keys, however the features are numbered.
std::multiset<std::string> RowTexts(const TrainingData& data) {
  std::multiset<std::string> texts;
  for (size_t i = 0; i < data.examples.size(); ++i) {
    std::string text = std::to_string(data.examples.labels[i]);
    for (const Entry& entry : data.examples[i])
      text += " " + std::to_string(data.vocabulary[entry.row].key);
    texts.insert(text);
  }
  return texts;
}

TEST_F(RankTrainingTest, EveryRowHasItsOwnFeaturesInTheCommonVocabulary) {
  OneRank alone;
  std::vector<std::multiset<std::string>> parts(2);
  RunRanks(2, [&](Ranks& ranks) { parts[ranks.rank()] = RowTexts(Read(ranks)); });
  EXPECT_FALSE(parts[1].empty());
  parts[0].merge(parts[1]);
  EXPECT_EQ(parts[0], RowTexts(Read(alone)));
}

TEST_F(RankTrainingTest, TheSameNegativesAreKeptHoweverRowsAreDealtOut) {
  OneRank alone;
  const TrainingData whole = Read(alone, 0.3);
  RunRanks(3, [&](Ranks& ranks) {
    EXPECT_EQ(Counts(Read(ranks, 0.3).vocabulary), Counts(whole.vocabulary));
  });
}

TEST_F(RankTrainingTest, ARankWithoutRowsIsAnError) {
  std::ofstream(train_) << "click\tuser\tad\tage\n1\tu\ta\t3\n0\tu\ta\t4\n";
  // The others would be told by the launcher that this one has ended.
  class Last final : public Ranks {
    uint32_t rank() const override { return 2; }
    uint32_t size() const override { return 3; }
    absl::Status SumInPlace(std::span<float> /*values*/) override { return absl::OkStatus(); }
    absl::Status SumInPlace(std::span<double> /*values*/) override { return absl::OkStatus(); }
    absl::Status Broadcast(uint32_t /*root*/, std::span<std::byte> /*bytes*/) override {
      return absl::OkStatus();
    }
    void EndAll(int /*exit_code*/) override {}
  } last;
  const TrainingSchema schema = *ParseSchemaYaml("label: click\nfields: [{name: ad}]\n", "s.yaml");
  EXPECT_THAT(std::string(ReadTrainingData(train_, schema, {.ranks = &last}).status().message()),
              HasSubstr("rank 2 of 3 has no rows"));
}

TEST_F(RankTrainingTest, SeveralRanksLearnWhatOneDoes) {
  OneRank alone;
  const FitResult one = Train(alone, Options(), {});
  for (const uint32_t size : {2U, 4U}) {
    std::vector<FitResult> results(size);
    RunRanks(size, [&](Ranks& ranks) { results[ranks.rank()] = Train(ranks, Options(), {}); });
    EXPECT_LT(*results[0].best().valid->logloss, 1.01 * *one.best().valid->logloss) << size;
    for (const FitResult& result : results) {
      EXPECT_EQ(result.best_epoch, results[0].best_epoch);
      EXPECT_EQ(result.epochs.size(), results[0].epochs.size());
      EXPECT_EQ(result.best().train_loss, results[0].best().train_loss);
      EXPECT_EQ(result.parameters.rows() > 0, &result == results.data());
    }
  }
}

TEST_F(RankTrainingTest, TheSameRanksRepeatThemselves) {
  std::vector<Parameters> runs(2);
  for (Parameters& run : runs) {
    RunRanks(2, [&](Ranks& ranks) {
      FitResult result = Train(ranks, Options(), {});
      if (ranks.rank() == 0) run = std::move(result.parameters);
    });
  }
  EXPECT_EQ(runs[0].w, runs[1].w);
  EXPECT_EQ(runs[0].v, runs[1].v);
}

TEST_F(RankTrainingTest, SeveralRanksLearnFieldWeightedModelsToo) {
  FitOptions options = Options();
  options.learner.field.rank = 2;
  OneRank alone;
  const FitResult one = Train(alone, options, {});
  std::vector<FitResult> results(2);
  RunRanks(2, [&](Ranks& ranks) { results[ranks.rank()] = Train(ranks, options, {}); });
  EXPECT_LT(*results[0].best().valid->logloss, 1.01 * *one.best().valid->logloss);
  // The matrix was averaged, and moved.
  ASSERT_TRUE(results[0].parameters.field_matrix.has_value());
  EXPECT_NE(results[0].parameters.field_matrix->factors, one.parameters.field_matrix->factors);
}

TEST_F(RankTrainingTest, RanksGoOnFromACheckpointAsIfNothingHadHappened) {
  const CheckpointOptions checkpoint = {.path = prefix_ + ".ckpt"};
  for (const uint32_t rank : {0U, 2U}) {
    FitOptions options = Options();
    options.epochs = 5;
    options.patience = 5;
    options.learner.field.rank = rank;
    Parameters whole;
    RunRanks(2, [&](Ranks& ranks) {
      FitResult result = Train(ranks, options, {});
      if (ranks.rank() == 0) whole = std::move(result.parameters);
    });
    for (const uint32_t epochs : {2U, 5U}) {
      options.epochs = epochs;
      RunRanks(2, [&](Ranks& ranks) {
        std::atomic<uint32_t> resumed = 0;
        FitObserver observer;
        observer.resumed = [&](const EpochReport& last) { resumed = last.epoch; };
        FitResult result = Train(ranks, options, observer, checkpoint);
        EXPECT_EQ(result.epochs.size(), epochs);
        if (ranks.rank() != 0) return;
        EXPECT_EQ(resumed, epochs == 2 ? 0 : 2);
        if (epochs == 5) {
          EXPECT_EQ(result.parameters.v, whole.v);
          EXPECT_EQ(result.parameters.w, whole.w);
        }
      });
    }
    std::filesystem::remove(checkpoint.path);
  }
}

TEST_F(RankTrainingTest, ACheckpointOfAnotherNumberOfRanksIsRefused) {
  const CheckpointOptions checkpoint = {.path = prefix_ + ".ckpt"};
  FitOptions options = Options();
  options.epochs = 1;
  RunRanks(2, [&](Ranks& ranks) { Train(ranks, options, {}, checkpoint); });
  OneRank alone;
  const TrainingData data = Read(alone);
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  const absl::StatusOr<FitResult> fit =
      Fit(options, {.keys = keys, .train = data.examples}, {}, checkpoint, alone);
  EXPECT_EQ(fit.status().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(checkpoint.path);
}

TEST_F(RankTrainingTest, OneRankThatIsToldToStopStopsAllBehindTheEpoch) {
  std::vector<FitResult> results(2);
  RunRanks(2, [&](Ranks& ranks) {
    FitObserver observer;
    uint32_t epochs = 0;
    observer.stop = [&] { return ++epochs == 2 && ranks.rank() == 1; };
    results[ranks.rank()] = Train(ranks, Options(), observer);
  });
  for (const FitResult& result : results) {
    EXPECT_EQ(result.epochs.size(), 2);
    EXPECT_TRUE(result.stopped);
  }
  EXPECT_GT(results[0].parameters.rows(), 0);
}

TEST_F(RankTrainingTest, TheBestSoFarIsShownAtTheFirstRankAlone) {
  std::atomic<int> shown = 0;
  RunRanks(2, [&](Ranks& ranks) {
    FitObserver observer;
    observer.best = [&](FitResult& so_far) {
      ++shown;
      EXPECT_EQ(ranks.rank(), 0);
      EXPECT_EQ(so_far.best_epoch, so_far.epochs.size());
      EXPECT_GT(so_far.parameters.rows(), 0);
      return absl::OkStatus();
    };
    FitOptions options = Options();
    options.epochs = 2;
    Train(ranks, options, observer);
  });
  EXPECT_EQ(shown, 2);
}

TEST_F(RankTrainingTest, WhatCannotBeKeptEndsTheTraining) {
  OneRank alone;
  const TrainingData data = Read(alone);
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  FitObserver observer;
  observer.best = [](FitResult& /*so_far*/) { return absl::ResourceExhaustedError("disk full"); };
  const absl::StatusOr<FitResult> fit =
      Fit(Options(), {.keys = keys, .train = data.examples}, observer, {}, alone);
  EXPECT_EQ(fit.status(), absl::ResourceExhaustedError("disk full"));
}

TEST_F(RankTrainingTest, ALostRankIsAnErrorAndNotAResult) {
  class Lossy final : public Ranks {
   public:
    uint32_t rank() const override { return 0; }
    uint32_t size() const override { return 2; }
    absl::Status SumInPlace(std::span<float> /*values*/) override {
      return --calls_left_ > 0 ? absl::OkStatus() : absl::UnavailableError("a rank is lost");
    }
    absl::Status SumInPlace(std::span<double> /*values*/) override { return absl::OkStatus(); }
    absl::Status Broadcast(uint32_t /*root*/, std::span<std::byte> /*bytes*/) override {
      return absl::OkStatus();
    }
    void EndAll(int /*exit_code*/) override {}

   private:
    int calls_left_ = 10;
  } ranks;
  OneRank alone;
  const TrainingData data = Read(alone);
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  const absl::StatusOr<FitResult> fit =
      Fit(Options(), {.keys = keys, .train = data.examples}, {}, {}, ranks);
  EXPECT_EQ(fit.status(), absl::UnavailableError("a rank is lost"));
}

}  // namespace
}  // namespace fmserve::trainer
