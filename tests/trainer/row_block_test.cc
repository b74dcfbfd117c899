#include "trainer/row_block.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace fmserve::trainer {
namespace {

Examples SomeExamples(bool weighted) {
  Examples examples;
  std::mt19937 random(5);
  for (int i = 0; i < 100; ++i) {
    for (uint32_t f = random() % 7; f > 0; --f) {
      const float x = random() % 3 == 0 ? static_cast<float>(random() % 100) / 7.0F : 1.0F;
      examples.entries.push_back({static_cast<uint32_t>(random() % 50), x});
    }
    examples.ends.push_back(examples.entries.size());
    examples.labels.push_back(static_cast<float>(i));
    if (weighted) examples.weights.push_back(static_cast<float>(i) / 2.0F);
  }
  return examples;
}

std::vector<uint32_t> SameRows(size_t count) {
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

TEST(RowBlockTest, HoldsWhatWasPutIn) {
  Examples decoded;  // its memory is used again
  for (const bool weighted : {true, false}) {
    const Examples examples = SomeExamples(weighted);
    ASSERT_TRUE(DecodeBlock(EncodeBlock(examples), SameRows(50), decoded).ok());
    EXPECT_EQ(decoded.labels, examples.labels);
    EXPECT_EQ(decoded.weights, examples.weights);
    EXPECT_EQ(decoded.ends, examples.ends);
    ASSERT_EQ(decoded.entries.size(), examples.entries.size());
    for (size_t i = 0; i < decoded.entries.size(); ++i) {
      EXPECT_EQ(decoded.entries[i].row, examples.entries[i].row);
      EXPECT_EQ(decoded.entries[i].x, examples.entries[i].x);
    }
  }
}

TEST(RowBlockTest, RowsAreRenumbered) {
  Examples examples;
  examples.entries = {{2, 1.0F}, {0, 3.0F}};
  examples.ends = {2};
  examples.labels = {1.0F};
  Examples decoded;
  ASSERT_TRUE(DecodeBlock(EncodeBlock(examples), std::vector<uint32_t>{7, 8, 9}, decoded).ok());
  EXPECT_EQ(decoded.entries[0].row, 9);
  EXPECT_EQ(decoded.entries[1].row, 7);
}

TEST(RowBlockTest, ARowThatNobodyKnowsIsDataLoss) {
  Examples decoded;
  EXPECT_EQ(DecodeBlock(EncodeBlock(SomeExamples(false)), SameRows(10), decoded).code(),
            absl::StatusCode::kDataLoss);
}

TEST(RowBlockTest, NoChangeOfABlockDoesHarm) {
  const std::vector<std::byte> block = EncodeBlock(SomeExamples(true));
  Examples decoded;
  for (size_t bytes = 0; bytes < block.size(); bytes += 3) {
    EXPECT_EQ(DecodeBlock(std::span(block).first(bytes), SameRows(50), decoded).code(),
              absl::StatusCode::kDataLoss);
  }
  std::mt19937 random(2);
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::byte> changed = block;
    changed[random() % (i % 2 == 0 ? 32 : changed.size())] = static_cast<std::byte>(random());
    // Whatever it says: what it holds is in bounds.
    if (!DecodeBlock(changed, SameRows(50), decoded).ok()) continue;
    ASSERT_EQ(decoded.ends.back(), decoded.entries.size());
    for (const Entry& entry : decoded.entries) ASSERT_LT(entry.row, 50);
  }
}

}  // namespace
}  // namespace fmserve::trainer
