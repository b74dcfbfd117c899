#include "trainer/prune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "tests/trainer/small_model.h"

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

SmallModel Ads() {
  return {.rows = {{"user", "u1", 0.0F, {0.1F, 0.0F}, 2},
                   {"user", "u2", 0.0F, {0.0F, 0.0F}, 50},
                   {"ad", "a1", 0.5F, {0.0F, 0.0F}, 3},
                   {"ad", "a2", 0.01F, {0.0F, 0.02F}, 40},
                   {"ad", "(rare)", 0.5F, {0.0F, 0.0F}, 1},
                   {"ad", "(missing)", 0.0F, {0.0F, 0.0F}, 1},
                   {"price", "", 0.0F, {0.0F, 0.0F}, 1}}};
}

std::vector<std::string> Kept(PruneOptions options) {
  const auto rows = PrunedRows::Create(Open(Ads()), std::move(options));
  EXPECT_TRUE(rows.ok()) << rows.status();
  std::vector<std::string> values;
  EXPECT_TRUE((*rows)
                  ->ForEach([&](const FeatureRow& row) {
                    FeatureRow found;
                    EXPECT_TRUE((*rows)->Find(row.key, found));
                    values.emplace_back(row.name->value);
                    return absl::OkStatus();
                  })
                  .ok());
  return values;
}

class KeepListTest : public testing::Test {
 protected:
  absl::StatusOr<KeepList> Read(const std::string& text) const {
    std::ofstream(path_) << text;
    absl::StatusOr<KeepList> list = ReadKeepList(path_, SmallSchema());
    std::remove(path_.c_str());
    return list;
  }
  std::string Refusal(const std::string& text) const {
    return std::string(Read(text).status().message());
  }

  const std::string path_ = FreshPath() + ".tsv";
};

TEST(PruneTest, DropsWhatTooFewTrainingRowsHadButNoRareMissingOrNumericRow) {
  EXPECT_THAT(Kept({.min_count = 3}),
              UnorderedElementsAre("u2", "a1", "a2", "(rare)", "(missing)", ""));
}

TEST(PruneTest, DropsWhatIsNearToWhatTakesItsPlace) {
  // a1 is what the rare row is; a2 is near 0, but would become 0.5. Users have no rare row.
  EXPECT_THAT(Kept({.min_norm = 0.05}),
              UnorderedElementsAre("u1", "a2", "(rare)", "(missing)", ""));
}

TEST_F(KeepListTest, DropsWhatIsNotListedInTheFieldsThatAreNamed) {
  EXPECT_THAT(Kept({.keep = *Read("ad\ta2\nad\tnever seen\n")}),
              UnorderedElementsAre("u1", "u2", "a2", "(rare)", "(missing)", ""));
}

TEST(PruneTest, CountsWhatWasDroppedAndWhyByField) {
  const auto rows = *PrunedRows::Create(Open(Ads()), {.min_count = 3, .min_norm = 0.05});
  const std::vector<PrunedField> fields = rows->CountByField();
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].kept, 0U);
  EXPECT_EQ(fields[0].under_count, 1U);
  EXPECT_EQ(fields[0].under_norm, 1U);
  EXPECT_EQ(fields[1].kept, 3U);
  EXPECT_EQ(fields[1].under_norm, 1U);
  EXPECT_EQ(fields[2].kept, 1U);
}

TEST(PruneTest, SaysWhatTheFileLacks) {
  SmallModel model = Ads();
  model.with_names = false;
  EXPECT_THAT(std::string(PrunedRows::Create(Open(model), {.min_norm = 1.0}).status().message()),
              HasSubstr("carries no names"));
  model.with_names = true;
  model.training_rows = std::nullopt;
  EXPECT_THAT(std::string(PrunedRows::Create(Open(model), {.min_count = 2}).status().message()),
              HasSubstr("does not say how many training rows its features had"));
  EXPECT_TRUE(PrunedRows::Create(Open(model), {.min_norm = 1.0}).ok());
}

TEST_F(KeepListTest, NamesTheLineThatIsWrong) {
  EXPECT_THAT(Refusal("ad\ta1\nno tab\n"), HasSubstr(":2: not a field, a tab and a value"));
  EXPECT_THAT(Refusal("site\tx\n"), HasSubstr(":1: the model has no field 'site'"));
  EXPECT_THAT(Refusal("price\t3\n"), HasSubstr("is of numbers"));
  EXPECT_THAT(Refusal("ad\t\n"), HasSubstr("a value of 0 bytes"));
  EXPECT_THAT(Refusal("\n"), HasSubstr("lists nothing to keep"));
}

}  // namespace
}  // namespace fmserve::trainer
