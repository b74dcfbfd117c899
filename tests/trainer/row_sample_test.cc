#include "trainer/row_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Show(RowSample& sample, uint64_t line) {
  const std::string cell = std::to_string(line);
  const std::vector<std::string_view> cells = {cell};
  sample.Show(line, cells);
}

TEST(RowSample, HoldsAllWhenTheyAreFewInTheOrderOfTheFile) {
  RowSample sample(1, 4);
  for (const uint64_t line : {7, 3, 5}) Show(sample, line);
  EXPECT_THAT(sample.Take(), ElementsAre(RawRow{"3"}, RawRow{"5"}, RawRow{"7"}));
}

TEST(RowSample, DoesNotDependOnWhoSawWhichRow) {
  RowSample whole(9, 10);
  RowSample odd(9, 10);
  RowSample even(9, 10);
  for (uint64_t line = 1; line <= 1000; ++line) {
    Show(whole, line);
    Show(line % 2 == 1 ? odd : even, line);
  }
  even.Merge(odd);
  const std::vector<RawRow> rows = whole.Take();
  EXPECT_EQ(rows.size(), 10U);
  EXPECT_EQ(even.Take(), rows);
}

TEST(RowSample, EveryRowHasTheSameChance) {
  double sum = 0.0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    RowSample sample(seed, 10);
    for (uint64_t line = 1; line <= 1000; ++line) Show(sample, line);
    for (const RawRow& row : sample.Take()) sum += std::stod(row[0]);
  }
  EXPECT_NEAR(sum / 2000.0, 500.5, 4 * 289.0 / std::sqrt(2000.0));
}

TEST(RowSample, MayBeOfNothing) {
  RowSample sample(1, 0);
  Show(sample, 1);
  EXPECT_THAT(sample.Take(), IsEmpty());
}

}  // namespace
}  // namespace fmserve::trainer
