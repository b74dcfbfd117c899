#include "trainer/row_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/trainer/thread_ranks.h"
#include "trainer/dataset.h"
#include "trainer/fit.h"

namespace fmserve::trainer {
namespace {

constexpr const char* kSchema =
    "label: click\n"
    "weight: weight\n"
    "fields:\n"
    "  - {name: user, min_count: 3}\n"
    "  - {name: tags, kind: multi_valued, combiner: mean}\n"
    "  - {name: age, kind: numeric, transform: standardise}\n";

std::string ClickLog(size_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text = "click\tweight\tuser\ttags\tage\n";
  for (size_t row = 0; row < rows; ++row) {
    const uint32_t user = random() % 500;
    const uint32_t tag = random() % 30;
    const bool click = random() % 10 < (user + tag) % 2 * 5 + 2;
    text += (click ? "1\t" : "0\t") + std::to_string(1 + random() % 3) + "\tu" +
            std::to_string(user) + "\tt" + std::to_string(tag) + "|t" +
            std::to_string(random() % 30) + "\t" + std::to_string(random() % 60) + "\n";
  }
  return text;
}

class RowCacheTest : public testing::Test {
 protected:
  RowCacheTest() {
    std::filesystem::create_directories(folder_);
    Write(train_, ClickLog(20000, 1));
  }
  ~RowCacheTest() override { std::filesystem::remove_all(folder_); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // In blocks of about 3000 rows.
  TrainingData Read(ReadOptions options = {}) const {
    if (options.cache.empty()) options.cache = cache_;
    if (options.cache == "none") options.cache.clear();
    options.block_bytes = std::min<uint64_t>(options.block_bytes, 128 << 10);
    absl::StatusOr<TrainingData> data = ReadTrainingData(train_, schema_, options);
    EXPECT_TRUE(data.ok()) << data.status();
    return *std::move(data);
  }

  // When it was written.
  std::filesystem::file_time_type Written() const { return last_write_time(cache_); }
  bool IsWrittenBy(const std::function<void()>& act) const {
    last_write_time(cache_, std::filesystem::file_time_type::min() + std::chrono::hours(1));
    const auto before = Written();
    act();
    return Written() != before;
  }

  const std::string folder_ = testing::TempDir() + "row_cache_" + std::to_string(getpid());
  const std::string train_ = folder_ + "/train.tsv";
  const std::filesystem::path cache_ = folder_ + "/rows";
  const TrainingSchema schema_ = *ParseSchemaYaml(kSchema, "schema.yaml");
};

// All examples, in the order of the blocks.
Examples All(const TrainingRows& rows) {
  Examples all;
  for (size_t block = 0; block < rows.blocks_count(); ++block) {
    const absl::StatusOr<const Examples*> examples = rows.Load(block, block + 1);
    EXPECT_TRUE(examples.ok()) << examples.status();
    EXPECT_EQ((*examples)->size(), rows.examples_of(block));
    const size_t before = all.entries.size();
    all.labels.insert(all.labels.end(), (*examples)->labels.begin(), (*examples)->labels.end());
    all.weights.insert(all.weights.end(), (*examples)->weights.begin(), (*examples)->weights.end());
    for (const size_t end : (*examples)->ends) all.ends.push_back(before + end);
    all.entries.insert(all.entries.end(), (*examples)->entries.begin(), (*examples)->entries.end());
  }
  return all;
}

void ExpectSame(const TrainingData& data, const TrainingData& expected) {
  EXPECT_EQ(data.schema.Serialize(), expected.schema.Serialize());
  EXPECT_EQ(data.vocabulary.keys(), expected.vocabulary.keys());
  EXPECT_EQ(data.vocabulary.distinct_values(), expected.vocabulary.distinct_values());
  for (size_t row = 0; row < expected.vocabulary.size(); ++row) {
    ASSERT_EQ(data.vocabulary[row].count, expected.vocabulary[row].count);
    ASSERT_EQ(data.vocabulary[row].value, expected.vocabulary[row].value);
  }
  EXPECT_EQ(data.samples, expected.samples);
  EXPECT_EQ(data.missing_by_field, expected.missing_by_field);
  EXPECT_EQ(data.rows_count, expected.rows_count);
  EXPECT_EQ(data.entries_count, expected.entries_count);
  EXPECT_EQ(data.rows().totals().weights, expected.rows().totals().weights);
  EXPECT_EQ(data.rows().totals().labels, expected.rows().totals().labels);
  const Examples all = All(data.rows());
  const Examples wanted = All(expected.rows());
  EXPECT_EQ(all.labels, wanted.labels);
  EXPECT_EQ(all.weights, wanted.weights);
  EXPECT_EQ(all.ends, wanted.ends);
  ASSERT_EQ(all.entries.size(), wanted.entries.size());
  for (size_t i = 0; i < all.entries.size(); ++i) {
    ASSERT_EQ(all.entries[i].row, wanted.entries[i].row);
    ASSERT_EQ(all.entries[i].x, wanted.entries[i].x);
  }
}

TEST_F(RowCacheTest, HoldsWhatIsInMemoryWithoutOne) {
  const TrainingData in_memory = Read({.cache = "none"});
  EXPECT_EQ(in_memory.rows().blocks_count(), 1);
  const TrainingData written = Read();
  EXPECT_GT(written.rows().blocks_count(), 4);
  EXPECT_EQ(written.examples.size(), 0);
  ExpectSame(written, in_memory);
  EXPECT_FALSE(IsWrittenBy([&] { ExpectSame(Read(), in_memory); }));
}

TEST_F(RowCacheTest, OfOtherRowsItIsWrittenAnew) {
  Read();
  EXPECT_FALSE(IsWrittenBy([&] { Read(); }));
  EXPECT_TRUE(IsWrittenBy([&] { Read({.seed = 2}); }));
  EXPECT_TRUE(IsWrittenBy([&] { Read({.block_bytes = 64 << 10}); }));
  EXPECT_TRUE(IsWrittenBy([&] { Read({.negatives = 0.5}); }));
  EXPECT_FALSE(IsWrittenBy([&] { Read({.negatives = 0.5, .threads = 1}); }));
  // One digit, and the same size and time.
  const auto time = std::filesystem::last_write_time(train_);
  std::string text = ClickLog(20000, 1);
  text[text.size() - 2] = text[text.size() - 2] == '1' ? '2' : '1';
  Write(train_, text);
  std::filesystem::last_write_time(train_, time);
  EXPECT_TRUE(IsWrittenBy(
      [&] { ExpectSame(Read({.negatives = 0.5}), Read({.negatives = 0.5, .cache = "none"})); }));
}

TEST_F(RowCacheTest, ADamagedOneIsWrittenAnew) {
  const TrainingData in_memory = Read({.cache = "none"});
  Read();
  std::string bytes;
  {
    std::ifstream file(cache_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (const size_t kept : {size_t{0}, size_t{20}, bytes.size() / 2, bytes.size() - 1}) {
    Write(cache_, bytes.substr(0, kept));
    ExpectSame(Read(), in_memory);
  }
  bytes[bytes.size() - 60] ^= 1;  // in the index
  Write(cache_, bytes);
  ExpectSame(Read(), in_memory);
}

TEST_F(RowCacheTest, ABlockThatIsDamagedEndsTheTraining) {
  const TrainingData data = Read();
  {
    std::fstream file(cache_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('x');
    file.seekp(1001);
    file.put('y');
  }
  const std::vector<uint64_t> keys = data.vocabulary.keys();
  OneRank alone;
  const absl::StatusOr<FitResult> fit =
      Fit({.learner = {.k = 4}, .epochs = 1}, {.keys = keys, .train = data.rows()}, {}, {}, alone);
  EXPECT_EQ(fit.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(fit.status().message()), testing::HasSubstr("rows: "));
}

TEST_F(RowCacheTest, WhatIsNoFileHasNoCache) {
  const absl::StatusOr<TrainingData> data =
      ReadTrainingData("/dev/null", *ParseSchemaYaml("format: tsv\n" + std::string(kSchema), "s"),
                       {.cache = cache_});
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RowCacheTest, BlocksTeachAsMuchAsMemory) {
  const FitOptions options = {.learner = {.k = 4, .learning_rate = 0.2, .l2_factors = 0.002},
                              .epochs = 6};
  const auto loss = [&](const std::string& cache) {
    const TrainingData data = Read({.cache = cache});
    const std::vector<uint64_t> keys = data.vocabulary.keys();
    OneRank alone;
    const absl::StatusOr<FitResult> fit =
        Fit(options, {.keys = keys, .train = data.rows()}, {}, {}, alone);
    EXPECT_TRUE(fit.ok()) << fit.status();
    return fit->epochs.back().train_loss;
  };
  const double in_memory = loss("none");
  EXPECT_NEAR(loss(cache_), in_memory, 0.01 * in_memory);
  EXPECT_EQ(loss(cache_), loss(cache_));
}

TEST_F(RowCacheTest, RanksHaveOneEach) {
  std::vector<double> losses(2);
  for (double& loss : losses) {
    RunRanks(2, [&](Ranks& ranks) {
      const TrainingData data = Read({.ranks = &ranks});
      EXPECT_EQ(data.rows_count, 20000);
      const std::vector<uint64_t> keys = data.vocabulary.keys();
      const absl::StatusOr<FitResult> fit = Fit(
          {.learner = {.k = 4}, .epochs = 2}, {.keys = keys, .train = data.rows()}, {}, {}, ranks);
      ASSERT_TRUE(fit.ok()) << fit.status();
      if (ranks.rank() == 0) loss = fit->epochs.back().train_loss;
    });
  }
  EXPECT_EQ(losses[0], losses[1]);
  EXPECT_TRUE(std::filesystem::exists(cache_.string() + ".rank-0-of-2"));
  EXPECT_TRUE(std::filesystem::exists(cache_.string() + ".rank-1-of-2"));
}

}  // namespace
}  // namespace fmserve::trainer
