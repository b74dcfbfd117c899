#include "model/feature_encoder.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/feature_schema.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Feature = std::tuple<std::string, uint64_t, float>;  // field, key, x

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// Encodes one context list and tells it in a form that is easy to compare.
class Encoding {
 public:
  explicit Encoding(std::vector<Field> fields)
      : schema_(*FeatureSchema::Create(std::move(fields))), encoder_(schema_, &list_) {
    encoder_.Begin(Side::kContext);
  }

  FeatureEncoder* operator->() { return &encoder_; }

  std::vector<Feature> End() {
    const absl::Status status = encoder_.End();
    EXPECT_TRUE(status.ok()) << status;
    std::vector<Feature> features;
    for (size_t i = 0; i < list_.size(); ++i) {
      features.emplace_back(schema_.field(list_.fields[i]).name, list_.keys[i], list_.xs[i]);
    }
    return features;
  }

 private:
  FeatureSchema schema_;
  FeatureList list_;
  FeatureEncoder encoder_;
};

Feature Value(const std::string& field, std::string_view value, float x = 1) {
  return {field, ValueKey(FieldSeed(field), value), x};
}
Feature Integer(const std::string& field, int64_t value, float x = 1) {
  return {field, ValueKey(FieldSeed(field), value), x};
}
Feature Number(const std::string& field, int64_t bucket, float x = 1) {
  return {field, NumericKey(FieldSeed(field), bucket), x};
}
Feature Missing(const std::string& field) { return {field, MissingKey(FieldSeed(field)), 1}; }

Field Categorical(std::string name) { return {.name = std::move(name)}; }
Field IntegerField(std::string name) {
  return {.name = std::move(name), .value_type = ValueType::kInteger};
}
Field List(std::string name, bool weighted = false, Combiner combiner = Combiner::kSum) {
  return {.name = std::move(name),
          .kind = FieldKind::kMultiValued,
          .combiner = combiner,
          .weighted = weighted};
}
Field Numeric(std::string name, Transform transform = Transform::kIdentity) {
  return {.name = std::move(name), .kind = FieldKind::kNumeric, .transform = transform};
}
Field Dense(std::string name, uint32_t dimension) {
  return {.name = std::move(name), .kind = FieldKind::kDenseVector, .dimension = dimension};
}

// What one cell of one field becomes.
std::vector<Feature> EncodeCell(const Field& field, std::string_view cell) {
  Encoding encoding({field});
  const absl::Status status = encoding->AddText(0, cell);
  EXPECT_TRUE(status.ok()) << status;
  return encoding.End();
}

std::string CellError(const Field& field, std::string_view cell) {
  Encoding encoding({field});
  absl::Status status = encoding->AddText(0, cell);
  if (status.ok()) status = encoding->End();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << cell;
  return Message(status);
}

TEST(FeatureEncoder, KeepsTheOrderOfAddingAndAppendsMissingFieldsInSchemaOrder) {
  Encoding encoding({Categorical("a"), Categorical("b"), Categorical("c"), Categorical("d")});
  ASSERT_TRUE(encoding->AddString(2, "z").ok());
  ASSERT_TRUE(encoding->AddString(1, "y").ok());
  EXPECT_THAT(encoding.End(),
              ElementsAre(Value("c", "z"), Value("b", "y"), Missing("a"), Missing("d")));
}

TEST(FeatureEncoder, TakesEmptyCellsOfEveryKindAsMissing) {
  for (const Field& field : {Categorical("f"), IntegerField("f"), List("f"), Numeric("f"),
                             Dense("f", 3), List("f", true, Combiner::kMean)}) {
    EXPECT_THAT(EncodeCell(field, ""), ElementsAre(Missing("f")));
  }
  EXPECT_THAT(EncodeCell(List("f"), "||"), ElementsAre(Missing("f")));
}

TEST(FeatureEncoder, AddsOnlyTheMissingFieldsOfItsSide) {
  const FeatureSchema schema = *FeatureSchema::Create(
      {{.name = "user"}, {.name = "ad", .side = Side::kItem}, {.name = "hour"}});
  FeatureList list;
  FeatureEncoder encoder(schema, &list);
  encoder.Begin(Side::kItem);
  ASSERT_TRUE(encoder.End().ok());
  EXPECT_THAT(list.fields, ElementsAre(1));
  encoder.Begin(Side::kContext);
  ASSERT_TRUE(encoder.End().ok());
  EXPECT_THAT(list.fields, ElementsAre(1, 0, 2));
}

TEST(FeatureEncoder, RefusesAFieldOfTheOtherSideOrOfNone) {
  const FeatureSchema schema =
      *FeatureSchema::Create({{.name = "user"}, {.name = "ad", .side = Side::kItem}});
  FeatureList list;
  FeatureEncoder encoder(schema, &list);
  encoder.Begin(Side::kContext);
  EXPECT_EQ(Message(encoder.AddKey(1, 7, 1)),
            "field 'ad': belongs to the item, not to the context side");
  EXPECT_THAT(Message(encoder.AddString(2, "x")), HasSubstr("field index 2 is not below 2"));
}

TEST(FeatureEncoder, ReadsIntegersStrictly) {
  const Field field = IntegerField("id");
  EXPECT_THAT(EncodeCell(field, "042"), ElementsAre(Integer("id", 42)));
  EXPECT_THAT(EncodeCell(field, "-9223372036854775808"),
              ElementsAre(Integer("id", std::numeric_limits<int64_t>::min())));
  EXPECT_THAT(CellError(field, "4.0"), HasSubstr("field 'id': '4.0' is not a decimal int64"));
  for (const char* text : {"9223372036854775808", " 4", "4 ", "+4", "0x4", "four", "-"}) {
    EXPECT_THAT(CellError(field, text), HasSubstr("is not a decimal int64")) << text;
  }
}

TEST(FeatureEncoder, GivesIntegersToStringFieldsAsDecimalText) {
  Encoding encoding({Categorical("a"), Categorical("b")});
  ASSERT_TRUE(encoding->AddInteger(0, -42).ok());
  ASSERT_TRUE(encoding->AddNumber(1, 7.0).ok());
  EXPECT_THAT(encoding.End(), ElementsAre(Value("a", "-42"), Value("b", "7")));
}

TEST(FeatureEncoder, TakesOnlyExactIntegersAsNumbersForValues) {
  Encoding encoding({IntegerField("a"), IntegerField("b")});
  ASSERT_TRUE(encoding->AddNumber(0, -9007199254740992.0).ok());
  EXPECT_THAT(Message(encoding->AddNumber(1, 9007199254740994.0)), HasSubstr("2^53"));
  EXPECT_THAT(Message(encoding->AddNumber(1, 1.5)), HasSubstr("number 1.5"));
  EXPECT_THAT(Message(encoding->AddNumber(1, std::nan(""))), HasSubstr("field 'b'"));
}

TEST(FeatureEncoder, TakesIntegersAndTextAsNumbersForNumericFields) {
  Encoding encoding({Numeric("a"), Numeric("b")});
  ASSERT_TRUE(encoding->AddInteger(0, 12).ok());
  ASSERT_TRUE(encoding->AddString(1, "-0.5").ok());
  EXPECT_THAT(encoding.End(), ElementsAre(Number("a", 0, 12), Number("b", 0, -0.5)));
}

TEST(FeatureEncoder, TakesOneValueOfACategoricalField) {
  Encoding encoding({Categorical("a")});
  ASSERT_TRUE(encoding->AddString(0, "x|y:2").ok());
  EXPECT_THAT(Message(encoding->AddString(0, "z")), HasSubstr("more than one value"));
  EXPECT_THAT(EncodeCell(Categorical("a"), "x|y:2"), ElementsAre(Value("a", "x|y:2")));
}

TEST(FeatureEncoder, LimitsTheBytesOfAValue) {
  EXPECT_THAT(EncodeCell(Categorical("a"), std::string(kMaxValueBytes, 'x')), testing::SizeIs(1));
  EXPECT_THAT(CellError(Categorical("a"), std::string(kMaxValueBytes + 1, 'x')),
              HasSubstr("has 1025 bytes"));
}

TEST(FeatureEncoder, LimitsTheValuesOfAList) {
  Encoding encoding({List("a")});
  for (uint32_t i = 0; i < kMaxListValues; ++i) ASSERT_TRUE(encoding->AddInteger(0, i).ok());
  EXPECT_THAT(Message(encoding->AddInteger(0, 0)), HasSubstr("more than 4096 values"));
}

TEST(FeatureEncoder, ReadsListsKeepingRepeatedValues) {
  EXPECT_THAT(EncodeCell(List("a"), "x|y:2||x"),
              ElementsAre(Value("a", "x"), Value("a", "y:2"), Value("a", "x")));
}

TEST(FeatureEncoder, ReadsWeightsBehindTheLastColonOfWeightedFields) {
  EXPECT_THAT(EncodeCell(List("a", true), "x|http://y:2.5|z:-1e-1"),
              ElementsAre(Value("a", "x"), Value("a", "http://y", 2.5F), Value("a", "z", -0.1F)));
  EXPECT_THAT(CellError(List("a", true), "x|y:z"), HasSubstr("'y:z' has no number"));
  EXPECT_THAT(CellError(List("a", true), "y:"), HasSubstr("'y:' has no number"));
  EXPECT_THAT(CellError(List("a", true), "y:inf"), HasSubstr("not finite"));
  EXPECT_THAT(CellError(List("a", true), "y:1e39"), HasSubstr("not finite"));
}

TEST(FeatureEncoder, RefusesWeightsWhereTheFieldHasNone) {
  Encoding encoding({Categorical("a"), List("b"), Numeric("c")});
  EXPECT_THAT(Message(encoding->AddString(0, "x", 2)), HasSubstr("not weighted"));
  EXPECT_THAT(Message(encoding->AddKey(1, 99, 0)), HasSubstr("not weighted"));
  EXPECT_THAT(Message(encoding->AddInteger(2, 99, 2)), HasSubstr("takes no weight"));
}

TEST(FeatureEncoder, MeanDividesByTheSumOfTheWeights) {
  EXPECT_THAT(EncodeCell(List("a", false, Combiner::kMean), "x|y|z|x"),
              ElementsAre(Value("a", "x", 0.25), Value("a", "y", 0.25), Value("a", "z", 0.25),
                          Value("a", "x", 0.25)));
  EXPECT_THAT(EncodeCell(List("a", true, Combiner::kMean), "x:3|y"),
              ElementsAre(Value("a", "x", 0.75), Value("a", "y", 0.25)));
  EXPECT_THAT(CellError(List("a", true, Combiner::kMean), "x:1|y:-1"),
              HasSubstr("weights that sum to 0"));
}

TEST(FeatureEncoder, MeanTouchesOnlyItsOwnFieldAndList) {
  Encoding encoding({List("sum", true), List("mean", true, Combiner::kMean)});
  for (int list = 0; list < 2; ++list) {
    encoding->Begin(Side::kContext);
    ASSERT_TRUE(encoding->AddString(1, "x", 2).ok());
    ASSERT_TRUE(encoding->AddString(0, "y", 8).ok());
    ASSERT_TRUE(encoding->AddString(1, "z", 6).ok());
    ASSERT_TRUE(list > 0 || encoding->End().ok());
  }
  const std::vector<Feature> once = {Value("mean", "x", 0.25), Value("sum", "y", 8),
                                     Value("mean", "z", 0.75)};
  std::vector<Feature> twice = once;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_EQ(encoding.End(), twice);
}

TEST(FeatureEncoder, TransformsNumbersToWeights) {
  EXPECT_THAT(EncodeCell(Numeric("a"), "-2.5e1"), ElementsAre(Number("a", 0, -25)));
  EXPECT_THAT(EncodeCell(Numeric("a"), "0"), ElementsAre(Number("a", 0, 0)));
  EXPECT_THAT(EncodeCell(Numeric("a", Transform::kLog), "-6.38905609893065"),
              ElementsAre(Number("a", 0, -2)));
  Field standardise = Numeric("a", Transform::kStandardise);
  standardise.mean = 10;
  standardise.stddev = 4;
  EXPECT_THAT(EncodeCell(standardise, "12"), ElementsAre(Number("a", 0, 0.5)));
}

TEST(FeatureEncoder, PutsNumbersIntoTheBucketsBetweenBoundaries) {
  Field field = Numeric("age", Transform::kBoundaries);
  field.boundaries = {0.7F, 18, 25};
  EXPECT_THAT(EncodeCell(field, "-5"), ElementsAre(Number("age", 0)));
  EXPECT_THAT(EncodeCell(field, "0.7"), ElementsAre(Number("age", 1)));
  EXPECT_THAT(EncodeCell(field, "17.9"), ElementsAre(Number("age", 1)));
  EXPECT_THAT(EncodeCell(field, "18"), ElementsAre(Number("age", 2)));
  EXPECT_THAT(EncodeCell(field, "99"), ElementsAre(Number("age", 3)));
}

TEST(FeatureEncoder, PutsNumbersIntoLogSquareBuckets) {
  const Field field = Numeric("n", Transform::kLogSquare);
  const std::vector<std::pair<const char*, int64_t>> buckets = {
      {"3", 1},  {"2.5", 0},  {"2", -1},       {"1.5", -2},     {"1", -2},
      {"0", -3}, {"-1", -4},  {"-996", -999},  {"-998", -1000}, {"-1e30", -1000},
      {"8", 4},  {"100", 21}, {"1000000", 190}};
  for (const auto& [text, bucket] : buckets) {
    EXPECT_THAT(EncodeCell(field, text), ElementsAre(Number("n", bucket))) << text;
  }
}

TEST(FeatureEncoder, TakesNanAsMissingAndRefusesInfinitiesAndOtherText) {
  EXPECT_THAT(EncodeCell(Numeric("a"), "nan"), ElementsAre(Missing("a")));
  EXPECT_THAT(EncodeCell(Numeric("a"), "1e-400"), ElementsAre(Number("a", 0, 0)));
  for (const char* text : {"inf", "-inf", "1e39", "1e400", "12x", " 1", "+1", "-", "1,5"}) {
    EXPECT_THAT(CellError(Numeric("a"), text), HasSubstr("field 'a': ")) << text;
  }
  Field tiny = Numeric("a", Transform::kStandardise);
  tiny.stddev = 1e-30;
  EXPECT_THAT(CellError(tiny, "1e30"), HasSubstr("overflows"));
}

TEST(FeatureEncoder, TakesOneNumberOfANumericField) {
  Encoding encoding({Numeric("a")});
  ASSERT_TRUE(encoding->AddNumber(0, 1).ok());
  EXPECT_THAT(Message(encoding->AddNumber(0, 1)), HasSubstr("more than one number"));
}

TEST(FeatureEncoder, GivesADenseVectorOneFeaturePerDimension) {
  EXPECT_THAT(EncodeCell(Dense("v", 3), "0.5|0|-2"),
              ElementsAre(Number("v", 0, 0.5), Number("v", 1, 0), Number("v", 2, -2)));
  EXPECT_THAT(CellError(Dense("v", 3), "1|2"), HasSubstr("has 2 of 3 dimensions"));
  EXPECT_THAT(CellError(Dense("v", 3), "1|2|3|4"), HasSubstr("dimension 3"));
  EXPECT_THAT(CellError(Dense("v", 3), "1||3"), HasSubstr("dimension 1 is '', not a number"));
  EXPECT_THAT(CellError(Dense("v", 3), "1|nan|3"), HasSubstr("not finite"));
}

TEST(FeatureEncoder, RefusesAVectorOfAnotherLengthOrTwice) {
  Encoding encoding({Dense("v", 2), Categorical("a")});
  const std::vector<float> values = {1, 2};
  EXPECT_THAT(Message(encoding->AddVector(0, std::vector<float>{1})), HasSubstr("of 1 numbers"));
  EXPECT_THAT(Message(encoding->AddVector(1, values)), HasSubstr("categorical"));
  EXPECT_THAT(Message(encoding->AddNumber(0, 1)), HasSubstr("dense_vector"));
  EXPECT_THAT(Message(encoding->AddString(0, "1")), HasSubstr("dense_vector"));
  ASSERT_TRUE(encoding->AddVector(0, values).ok());
  EXPECT_THAT(Message(encoding->AddVector(0, values)), HasSubstr("dimension 0"));
}

TEST(FeatureEncoder, GivesTheSameFeaturesForThePackedForm) {
  Field age = Numeric("age", Transform::kBoundaries);
  age.boundaries = {0.3F, 0.7F};
  const std::vector<Field> fields = {Categorical("user"),
                                     IntegerField("ad"),
                                     List("history", true, Combiner::kMean),
                                     age,
                                     Numeric("price", Transform::kLog),
                                     Dense("image", 2),
                                     Categorical("absent")};
  Encoding friendly(fields);
  ASSERT_TRUE(friendly->AddString(0, "U1").ok());
  ASSERT_TRUE(friendly->AddInteger(1, 99).ok());
  ASSERT_TRUE(friendly->AddString(2, "N1", 0.3F).ok());
  ASSERT_TRUE(friendly->AddString(2, "N2", 0.4F).ok());
  ASSERT_TRUE(friendly->AddNumber(3, 0.7).ok());
  ASSERT_TRUE(friendly->AddNumber(4, 1.1).ok());
  ASSERT_TRUE(friendly->AddVector(5, std::vector<float>{0.1F, 0.2F}).ok());

  Encoding text(fields);
  const char* cells[] = {"U1", "99", "N1:0.3|N2:0.4", "0.7", "1.1", "0.1|0.2"};
  for (size_t i = 0; i < std::size(cells); ++i) ASSERT_TRUE(text->AddText(i, cells[i]).ok());

  Encoding packed(fields);
  ASSERT_TRUE(packed->AddKey(0, ValueKey(FieldSeed("user"), "U1"), 1).ok());
  ASSERT_TRUE(packed->AddKey(1, ValueKey(FieldSeed("ad"), int64_t{99}), 1).ok());
  ASSERT_TRUE(packed->AddKey(2, ValueKey(FieldSeed("history"), "N1"), 0.3F).ok());
  ASSERT_TRUE(packed->AddKey(2, ValueKey(FieldSeed("history"), "N2"), 0.4F).ok());
  ASSERT_TRUE(packed->AddKey(3, 0, 0.7F).ok());
  ASSERT_TRUE(packed->AddKey(4, 0, 1.1F).ok());
  ASSERT_TRUE(packed->AddKey(5, 0, 0.1F).ok());
  ASSERT_TRUE(packed->AddKey(5, 1, 0.2F).ok());

  const std::vector<Feature> features = friendly.End();
  EXPECT_THAT(features, testing::SizeIs(9));
  EXPECT_EQ(packed.End(), features);
  EXPECT_EQ(text.End(), features);
}

TEST(FeatureEncoder, RefusesPackedFeaturesThatNoFriendlyCallCouldGive) {
  Encoding encoding({Categorical("a"), Numeric("n"), Dense("v", 2), List("w", true)});
  EXPECT_THAT(Message(encoding->AddKey(0, 0, 1)), HasSubstr("key 0"));
  EXPECT_THAT(Message(encoding->AddKey(1, 0, INFINITY)), HasSubstr("field 'n'"));
  EXPECT_THAT(Message(encoding->AddKey(2, 1, 1)), HasSubstr("dimension 1 where 0"));
  EXPECT_THAT(Message(encoding->AddKey(3, 5, NAN)), HasSubstr("not finite"));
}

// Lists of few shapes, so that many are like the one before, with what is wrong in one of eight.
TEST(FeatureEncoder, TakesAWholePackedListAsItTakesKeyByKey) {
  const FeatureSchema schema =
      *FeatureSchema::Create({Categorical("a"), Categorical("b"), List("tags"),
                              List("mean", true, Combiner::kMean), Numeric("n"), Dense("v", 2)});
  const std::vector<std::vector<uint8_t>> shapes = {{0, 1},    {1, 0}, {0, 1, 2, 2}, {},    {0, 0},
                                                    {3, 3, 0}, {0, 4}, {5, 5, 1},    {0, 9}};
  std::mt19937 random(5);
  FeatureList whole;
  FeatureList single;
  FeatureEncoder whole_encoder(schema, &whole);
  FeatureEncoder single_encoder(schema, &single);
  size_t refused_count = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<uint8_t>& fields = shapes[(random() % 4 == 0) ? random() % shapes.size() : 0];
    std::vector<uint64_t> keys(fields.size());
    for (size_t j = 0; j < keys.size(); ++j) keys[j] = fields[j] == 5 ? j : 1 + random() % 9;
    std::vector<float> values(random() % 2 == 0 ? 0 : fields.size(), 1.0F);
    if (!keys.empty() && random() % 8 == 0) keys.back() = 0;
    if (!values.empty() && random() % 8 == 0) values.back() = 2.0F;

    size_t refused = fields.size();
    const absl::Status status =
        whole_encoder.AddPacked(Side::kContext, {fields, keys, values}, &refused);
    single_encoder.Begin(Side::kContext);
    absl::Status expected;
    size_t added = 0;
    for (; expected.ok() && added < fields.size(); ++added) {
      expected =
          single_encoder.AddKey(fields[added], keys[added], values.empty() ? 1.0F : values[added]);
    }
    EXPECT_EQ(refused, expected.ok() ? fields.size() : added - 1);
    if (expected.ok()) expected = single_encoder.End();
    ASSERT_EQ(status, expected);
    refused_count += status.ok() ? 0 : 1;
    whole_encoder.Begin(Side::kContext);  // gives up what an error left
    single_encoder.Begin(Side::kContext);
    ASSERT_EQ(whole.keys, single.keys);
    ASSERT_EQ(whole.xs, single.xs);
    ASSERT_EQ(whole.fields, single.fields);
  }
  EXPECT_GT(refused_count, 200U);
  EXPECT_LT(refused_count, 2000U);
}

TEST(FeatureEncoder, DropsAListThatEndedInAnErrorWithTheNextBegin) {
  Encoding encoding({Categorical("a"), Categorical("b")});
  ASSERT_TRUE(encoding->AddString(0, "kept").ok());
  ASSERT_TRUE(encoding->End().ok());
  encoding->Begin(Side::kContext);
  ASSERT_TRUE(encoding->AddString(0, "dropped").ok());
  ASSERT_FALSE(encoding->AddString(0, "twice").ok());
  encoding->Begin(Side::kContext);
  ASSERT_TRUE(encoding->AddString(0, "last").ok());
  EXPECT_THAT(encoding.End(),
              ElementsAre(Value("a", "kept"), Missing("b"), Value("a", "last"), Missing("b")));
}

TEST(FeatureEncoder, EncodesTheCellsOfOneSideOfARow) {
  const FeatureSchema schema =
      *FeatureSchema::Create({{.name = "user"}, {.name = "ad", .side = Side::kItem}});
  FeatureList list;
  FeatureEncoder encoder(schema, &list);
  const std::vector<std::string_view> cells = {"U1", "A1"};
  ASSERT_TRUE(encoder.AddRow(Side::kItem, cells).ok());
  EXPECT_THAT(list.keys, ElementsAre(ValueKey(FieldSeed("ad"), "A1")));
  list.Clear();
  EXPECT_THAT(Message(encoder.AddRow(Side::kContext, {})), HasSubstr("0 cells for 2 fields"));
  EXPECT_THAT(list.keys, IsEmpty());
}

TEST(FeatureEncoder, DoesNotAllocateOnceTheListIsLargeEnough) {
  const FeatureSchema schema = *FeatureSchema::Create({List("a", true, Combiner::kMean)});
  FeatureList list;
  FeatureEncoder encoder(schema, &list);
  const uint64_t* keys = nullptr;
  for (int round = 0; round < 3; ++round) {
    list.Clear();
    ASSERT_TRUE(encoder.AddRow(Side::kContext, std::vector<std::string_view>{"x:1|y:2"}).ok());
    EXPECT_TRUE(round == 0 || list.keys.data() == keys);
    keys = list.keys.data();
  }
}

}  // namespace
}  // namespace fmserve::model
