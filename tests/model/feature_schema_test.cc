#include "model/feature_schema.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// One field of each kind and transform, with every setting away from its default somewhere.
std::vector<Field> AllKinds() {
  return {
      {.name = "user", .value_type = ValueType::kInteger, .min_count = 3},
      {.name = "history",
       .kind = FieldKind::kMultiValued,
       .combiner = Combiner::kMean,
       .weighted = true},
      {.name = "price", .kind = FieldKind::kNumeric, .side = Side::kItem},
      {.name = "clicks", .kind = FieldKind::kNumeric, .transform = Transform::kLog},
      {.name = "height",
       .kind = FieldKind::kNumeric,
       .transform = Transform::kStandardise,
       .mean = 170.5,
       .stddev = 9.25},
      {.name = "age",
       .kind = FieldKind::kNumeric,
       .transform = Transform::kBoundaries,
       .min_count = 2,
       .boundaries = {18, 25.5, 35}},
      {.name = "count", .kind = FieldKind::kNumeric, .transform = Transform::kLogSquare},
      {.name = "image", .kind = FieldKind::kDenseVector, .side = Side::kItem, .dimension = 4},
  };
}

FeatureSchema SchemaOf(std::vector<Field> fields) {
  return *FeatureSchema::Create(std::move(fields));
}

// The message of Create for one field, "" if it is accepted.
std::string Problem(Field field) {
  if (field.name.empty()) field.name = "f";
  return Message(FeatureSchema::Create({std::move(field)}).status());
}

// What stands between the first two backticks, "" if nothing does.
std::string InBackticks(const std::string& cell) {
  const std::vector<std::string> parts = absl::StrSplit(cell, '`');
  return parts.size() < 3 ? "" : parts[1];
}

uint64_t KeyOf(uint64_t seed, const std::string& what, const std::string& value) {
  if (what == "field_seed") return seed;
  if (what == "string") return ValueKey(seed, std::string_view(value));
  if (what == "integer") return ValueKey(seed, ParseInteger(value).value());
  if (what == "missing") return MissingKey(seed);
  if (what == "rare") return RareKey(seed);
  if (what == "bucket") return NumericKey(seed, ParseInteger(value).value());
  ADD_FAILURE() << "unknown kind of key " << what;
  return 0;
}

TEST(FeatureKey, MatchesThePublishedTestVectors) {
  std::ifstream page("docs/clients.md");
  int vectors_count = 0;
  for (std::string line; std::getline(page, line);) {
    // | `user_id` | string `U76561` | `0x42b0d034e494a40c` |
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() != 5 || InBackticks(cells[1]).empty() ||
        !InBackticks(cells[3]).starts_with("0x"))
      continue;
    ++vectors_count;
    const std::vector<std::string> what = absl::StrSplit(cells[2], ' ', absl::SkipEmpty());
    const uint64_t key = KeyOf(FieldSeed(InBackticks(cells[1])), what[0], InBackticks(cells[2]));
    EXPECT_EQ(key, std::stoull(InBackticks(cells[3]), nullptr, 16)) << line;
  }
  EXPECT_EQ(vectors_count, 17);
}

TEST(FeatureKey, DiffersBetweenFieldsDomainsAndTypes) {
  const uint64_t seed = FieldSeed("user");
  EXPECT_NE(ValueKey(seed, "1"), ValueKey(FieldSeed("item"), "1"));
  EXPECT_NE(ValueKey(seed, "1"), ValueKey(seed, int64_t{1}));
  EXPECT_NE(ValueKey(seed, int64_t{1}), NumericKey(seed, 1));
  EXPECT_NE(MissingKey(seed), RareKey(seed));
  EXPECT_NE(MissingKey(seed), ValueKey(seed, ""));
}

TEST(FeatureSchema, FindsFieldsByNameAndSide) {
  const FeatureSchema schema = SchemaOf(AllKinds());
  EXPECT_EQ(schema.Find("age"), 5);
  EXPECT_EQ(schema.Find("nothing"), std::nullopt);
  EXPECT_EQ(schema.seed(5), FieldSeed("age"));
  EXPECT_EQ(schema.missing_key(5), MissingKey(FieldSeed("age")));
  EXPECT_EQ(schema.rare_key(5), RareKey(FieldSeed("age")));
  std::vector<size_t> items;
  schema.fields_of(Side::kItem).ForEachNotIn({}, [&](size_t field) { items.push_back(field); });
  EXPECT_THAT(items, testing::ElementsAre(2, 7));
  EXPECT_TRUE(schema.fields_of(Side::kContext).Contains(5));
}

TEST(FieldSet, VisitsWhatTheOtherLacksInAscendingOrder) {
  FieldSet all;
  FieldSet some;
  for (size_t field : {255U, 3U, 64U, 63U, 128U}) all.Add(field);
  some.Add(64);
  std::vector<size_t> visited;
  all.ForEachNotIn(some, [&](size_t field) { visited.push_back(field); });
  EXPECT_THAT(visited, testing::ElementsAre(3, 63, 128, 255));
}

TEST(FeatureSchema, RefusesNoFieldsTooManyAndDuplicates) {
  EXPECT_FALSE(FeatureSchema::Create({}).ok());
  std::vector<Field> many(kMaxFields + 1);
  for (size_t i = 0; i < many.size(); ++i) many[i].name = std::to_string(i);
  EXPECT_THAT(Message(FeatureSchema::Create(many).status()), HasSubstr("has 257"));
  many.pop_back();
  EXPECT_TRUE(FeatureSchema::Create(many).ok());
  many[9].name = "3";
  EXPECT_THAT(Message(FeatureSchema::Create(many).status()),
              StartsWith("field '3' has the name of an earlier field"));
}

TEST(FeatureSchema, RefusesBadNames) {
  Field field;
  EXPECT_THAT(Message(FeatureSchema::Create({field}).status()), HasSubstr("empty name"));
  EXPECT_EQ(Problem({.name = std::string(kMaxFieldNameBytes, 'x')}), "");
  EXPECT_THAT(Problem({.name = std::string(kMaxFieldNameBytes + 1, 'x')}), HasSubstr("128"));
  EXPECT_THAT(Problem({.name = "a\tb"}), StartsWith("field 'a\\tb' has a name that"));
}

TEST(FeatureSchema, RefusesSettingsThatTheKindDoesNotUse) {
  const FieldKind numeric = FieldKind::kNumeric;
  EXPECT_THAT(Problem({.kind = numeric, .value_type = ValueType::kInteger}), HasSubstr("type"));
  EXPECT_THAT(Problem({.combiner = Combiner::kMean}), HasSubstr("combiner"));
  EXPECT_THAT(Problem({.weighted = true}), HasSubstr("weighted"));
  EXPECT_THAT(Problem({.transform = Transform::kLog}), HasSubstr("transform"));
  EXPECT_THAT(Problem({.dimension = 2}), HasSubstr("dimension"));
  EXPECT_THAT(Problem({.kind = numeric, .boundaries = {1}}), HasSubstr("boundaries"));
  EXPECT_THAT(Problem({.kind = numeric, .mean = 1}), HasSubstr("mean"));
  EXPECT_THAT(Problem({.kind = numeric, .stddev = 2}), HasSubstr("stddev"));
  EXPECT_THAT(Problem({.kind = numeric, .min_count = 2}), HasSubstr("minimum count"));
  EXPECT_EQ(Problem({.kind = numeric, .transform = Transform::kLogSquare, .min_count = 2}), "");
}

TEST(FeatureSchema, RefusesValuesOutOfRange) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto standardise = [](double mean, double stddev) {
    return Problem({.kind = FieldKind::kNumeric,
                    .transform = Transform::kStandardise,
                    .mean = mean,
                    .stddev = stddev});
  };
  EXPECT_EQ(standardise(3, 0.5), "");
  EXPECT_THAT(standardise(infinity, 1), HasSubstr("mean"));
  EXPECT_THAT(standardise(std::nan(""), 1), HasSubstr("mean"));
  EXPECT_THAT(standardise(0, 0), HasSubstr("stddev"));
  EXPECT_THAT(standardise(0, infinity), HasSubstr("stddev"));

  const auto boundaries = [](std::vector<float> values) {
    return Problem({.kind = FieldKind::kNumeric,
                    .transform = Transform::kBoundaries,
                    .boundaries = std::move(values)});
  };
  EXPECT_EQ(boundaries({-1, 0, 1}), "");
  EXPECT_THAT(boundaries({}), HasSubstr("1 to 4096"));
  EXPECT_THAT(boundaries(std::vector<float>(kMaxBoundaries + 1)), HasSubstr("1 to 4096"));
  EXPECT_THAT(boundaries({1, 1}), HasSubstr("ascend"));
  EXPECT_THAT(boundaries({1, INFINITY}), HasSubstr("not finite"));

  EXPECT_THAT(Problem({.min_count = 0}), HasSubstr("minimum count of 0"));
  EXPECT_THAT(Problem({.kind = FieldKind::kDenseVector}), HasSubstr("dimension"));
  EXPECT_THAT(Problem({.kind = FieldKind::kDenseVector, .dimension = kMaxDimension + 1}),
              HasSubstr("dimension"));
  EXPECT_THAT(Problem({.kind = FieldKind{9}}), HasSubstr("unknown kind"));
}

TEST(FeatureSchema, SurvivesSerialization) {
  const FeatureSchema schema = SchemaOf(AllKinds());
  const absl::StatusOr<FeatureSchema> parsed = FeatureSchema::Parse(schema.Serialize());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->fields(), schema.fields());
  EXPECT_EQ(parsed->Find("image"), 7);
}

TEST(FeatureSchema, HasThePublishedBinaryForm) {
  const std::string bytes = SchemaOf({{.name = "ad", .side = Side::kItem}}).Serialize();
  const std::string expected(
      "\1\0\0\0"
      "\2\0\0\0ad"
      "\0\0\0\1\0\0"
      "\1\0\0\0"
      "\0\0\0\0"
      "\0\0\0\0\0\0\0\0"
      "\0\0\0\0\0\0\xf0\x3f"
      "\0\0\0\0",
      4 + 6 + 6 + 4 + 4 + 8 + 8 + 4);
  EXPECT_EQ(bytes, expected);
}

TEST(FeatureSchema, ParseRefusesEveryTruncationAndAnythingBehind) {
  const std::string bytes = SchemaOf(AllKinds()).Serialize();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(FeatureSchema::Parse(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(FeatureSchema::Parse(bytes + '\0').ok());
}

TEST(FeatureSchema, ParseNeverAcceptsWhatItWouldNotWrite) {
  const std::string bytes = SchemaOf(AllKinds()).Serialize();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      const absl::StatusOr<FeatureSchema> parsed = FeatureSchema::Parse(changed);
      if (!parsed.ok()) continue;
      EXPECT_EQ(parsed->Serialize(), changed) << "byte " << i;
    }
  }
}

TEST(FeatureSchema, ParseRefusesCountsBeforeItAllocatesForThem) {
  EXPECT_EQ(FeatureSchema::Parse("\xff\xff\xff\xff").status().code(), absl::StatusCode::kDataLoss);
  const std::string_view huge_name("\1\0\0\0\xff\xff\xff\x7f", 8);
  EXPECT_EQ(FeatureSchema::Parse(huge_name).status().code(), absl::StatusCode::kDataLoss);
}

TEST(FeatureSchema, IsCompatibleWhenClientsSeeNoDifference) {
  const FeatureSchema older = SchemaOf(AllKinds());
  std::vector<Field> fields = AllKinds();
  fields[0].min_count = 100;
  fields[4].mean = 3;
  fields[4].stddev = 7;
  fields.push_back({.name = "added"});
  const FeatureSchema newer = SchemaOf(fields);
  EXPECT_TRUE(newer.CompatibleWith(older).ok());
  EXPECT_EQ(older.CompatibleWith(newer).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(older.CompatibleWith(newer)), HasSubstr("field 8 'added' is gone"));
}

TEST(FeatureSchema, IsIncompatibleWhenARequestWouldMeanSomethingElse) {
  const FeatureSchema older = SchemaOf(AllKinds());
  const auto difference = [&](size_t index, auto change) {
    std::vector<Field> fields = AllKinds();
    change(fields[index]);
    return Message(SchemaOf(fields).CompatibleWith(older));
  };
  EXPECT_EQ(difference(0, [](Field& f) { f.name = "u"; }), "field 0 'user' has another name");
  EXPECT_THAT(difference(0, [](Field& f) { f.kind = FieldKind::kMultiValued; }), HasSubstr("kind"));
  EXPECT_THAT(difference(0, [](Field& f) { f.value_type = ValueType::kString; }),
              HasSubstr("value type"));
  EXPECT_THAT(difference(0, [](Field& f) { f.side = Side::kItem; }), HasSubstr("side"));
  EXPECT_THAT(difference(1, [](Field& f) { f.combiner = Combiner::kSum; }), HasSubstr("combiner"));
  EXPECT_THAT(difference(1, [](Field& f) { f.weighted = false; }), HasSubstr("weighted"));
  EXPECT_THAT(difference(3, [](Field& f) { f.transform = Transform::kIdentity; }),
              HasSubstr("transform"));
  EXPECT_THAT(difference(5, [](Field& f) { f.boundaries[0] = 17; }), HasSubstr("boundaries"));
  EXPECT_THAT(difference(7, [](Field& f) { f.dimension = 5; }), HasSubstr("dimension"));
}

}  // namespace
}  // namespace fmserve::model
