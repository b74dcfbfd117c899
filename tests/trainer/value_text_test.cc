#include "trainer/value_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "trainer/schema_yaml.h"

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;

constexpr char kSchema[] = R"({label: y, fields: [
  {name: user, value_type: integer}, {name: ad},
  {name: price, kind: numeric}, {name: hour, kind: numeric, transform: log_square},
  {name: taste, kind: dense_vector, dimension: 3}]})";

class KeyOfTextTest : public testing::Test {
 protected:
  std::string Problem(size_t field, const std::string& text) {
    return std::string(KeyOfText(schema_, field, text).status().message());
  }

  const model::FeatureSchema schema_ = ParseSchemaYaml(kSchema, "s.yaml")->features;
};

TEST_F(KeyOfTextTest, IsTheWayBackFromValueText) {
  const std::string cells[] = {"042", "a|b", "2.5", "17", "1|2|3"};
  const uint64_t keys[] = {
      model::ValueKey(schema_.seed(0), int64_t{42}), model::ValueKey(schema_.seed(1), "a|b"),
      model::NumericKey(schema_.seed(2), 0), model::NumericKey(schema_.seed(3), 8),
      model::NumericKey(schema_.seed(4), 2)};
  for (size_t field = 0; field < schema_.size(); ++field) {
    const std::string text = ValueText(schema_, field, keys[field], cells[field]);
    EXPECT_EQ(*KeyOfText(schema_, field, text), keys[field]) << text;
    EXPECT_EQ(*KeyOfText(schema_, field, "(missing)"), schema_.missing_key(field));
    EXPECT_EQ(*KeyOfText(schema_, field, "(rare)"), schema_.rare_key(field));
  }
}

TEST_F(KeyOfTextTest, RefusesWhatNamesNoFeature) {
  EXPECT_THAT(Problem(0, "4.0"), HasSubstr("'4.0' names no feature of field 'user'"));
  EXPECT_THAT(Problem(1, ""), HasSubstr("texts of 1 to 1024 bytes"));
  EXPECT_THAT(Problem(1, std::string(1025, 'a')), HasSubstr("texts of 1 to 1024 bytes"));
  EXPECT_THAT(Problem(2, "0"), HasSubstr("an empty text"));
  EXPECT_THAT(Problem(3, ""), HasSubstr("the number of a bucket"));
  EXPECT_THAT(Problem(4, "3"), HasSubstr("numbers from 0 to 2"));
  EXPECT_THAT(Problem(4, "-1"), HasSubstr("numbers from 0 to 2"));
}

TEST(EscapeCellTest, KeepsEveryTextInOneCell) {
  const std::string text = "a\tb\nc\rd\\e\\t";
  EXPECT_EQ(EscapeCell(text), "a\\tb\\nc\\rd\\\\e\\\\t");
  EXPECT_EQ(UnescapeCell(EscapeCell(text)), text);
  EXPECT_EQ(UnescapeCell("a\\x"), std::nullopt);
  EXPECT_EQ(UnescapeCell("a\\"), std::nullopt);
}

}  // namespace
}  // namespace fmserve::trainer
