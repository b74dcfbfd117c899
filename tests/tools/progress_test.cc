#include "tools/progress.h"

#include <gtest/gtest.h>

namespace fmserve::tools {
namespace {

TEST(FormatProgressTest, WithATotalItShowsBarRateAndTimeLeft) {
  EXPECT_EQ(FormatProgress("training", 2500, 10000, 5.0),
            "training  [######..................]  25 %  500 rows/s  ETA 15 s");
}

TEST(FormatProgressTest, WithoutATotalItShowsRowsAndRate) {
  EXPECT_EQ(FormatProgress("reading t.tsv", 3000, 0, 2.0), "reading t.tsv  3000 rows  1500 rows/s");
}

TEST(FormatProgressTest, BytesAreShownAsElsewhere) {
  EXPECT_EQ(FormatProgress("publishing m.fmw", 50'000'000, 100'000'000, 2.0, ProgressUnit::kBytes),
            "publishing m.fmw  [############............]  50 %  25.0 MB/s  ETA 2 s");
}

TEST(FormatProgressTest, MoreThanTheTotalIsAllOfIt) {
  EXPECT_EQ(FormatProgress("training", 11, 10, 1.0),
            "training  [########################] 100 %  11 rows/s  ETA 0 s");
}

TEST(FormatProgressTest, BeforeTheFirstRowNoTimeIsPromised) {
  EXPECT_EQ(FormatProgress("training", 0, 10, 1.0),
            "training  [........................]   0 %  0 rows/s");
}

}  // namespace
}  // namespace fmserve::tools
