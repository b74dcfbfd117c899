#include "trainer/schema_yaml.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kWhole = R"(# every key once
task: regression
format: csv
label: rating
separator: ";"
list_separator: " "
fields:
  - {name: user, side: context, min_count: 2}
  - {name: movie, column: movie_id, kind: categorical, value_type: integer, side: item}
  - {name: genres, kind: multi_valued, combiner: mean, weighted: true, side: item}
  - name: age
    kind: numeric
    transform: boundaries
    boundaries: [18, 25.5, 35]
  - {name: height, kind: numeric, transform: standardise, mean: 170, stddev: 9.5}
  - {name: weight, kind: numeric, transform: standardise}
  - {name: image, kind: dense_vector, dimension: 4, side: item}
)";

TrainingSchema Parse(const std::string& yaml) {
  absl::StatusOr<TrainingSchema> schema = ParseSchemaYaml(yaml, "s.yaml");
  EXPECT_TRUE(schema.ok()) << schema.status();
  return *std::move(schema);
}

std::string Problem(const std::string& yaml) {
  const absl::Status status = ParseSchemaYaml(yaml, "s.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
  return std::string(status.message());
}

// The problem of a schema whose only field has these settings; it stands in line 3.
std::string FieldProblem(const std::string& settings) {
  return Problem("label: y\nfields:\n  - {name: f, " + settings + "}\n");
}

TEST(SchemaYaml, ReadsEverySetting) {
  const TrainingSchema schema = Parse(kWhole);
  EXPECT_EQ(schema.task, model::Task::kRegression);
  EXPECT_EQ(schema.format, TableFormat::kCsv);
  EXPECT_EQ(schema.label_column, "rating");
  EXPECT_EQ(schema.separator, ';');
  EXPECT_EQ(schema.list_separator, ' ');
  EXPECT_EQ(schema.yaml, kWhole);
  EXPECT_THAT(schema.columns,
              ElementsAre("user", "movie_id", "genres", "age", "height", "weight", "image"));
  EXPECT_THAT(schema.fields_to_measure, ElementsAre(5));

  using model::Combiner, model::Field, model::FieldKind, model::Side, model::Transform;
  const std::vector<Field> fields = {
      {.name = "user", .min_count = 2},
      {.name = "movie", .value_type = model::ValueType::kInteger, .side = Side::kItem},
      {.name = "genres",
       .kind = FieldKind::kMultiValued,
       .combiner = Combiner::kMean,
       .side = Side::kItem,
       .weighted = true},
      {.name = "age",
       .kind = FieldKind::kNumeric,
       .transform = Transform::kBoundaries,
       .boundaries = {18, 25.5, 35}},
      {.name = "height",
       .kind = FieldKind::kNumeric,
       .transform = Transform::kStandardise,
       .mean = 170,
       .stddev = 9.5},
      {.name = "weight", .kind = FieldKind::kNumeric, .transform = Transform::kStandardise},
      {.name = "image", .kind = FieldKind::kDenseVector, .side = Side::kItem, .dimension = 4},
  };
  EXPECT_EQ(schema.features.fields(), fields);
}

TEST(SchemaYaml, HasDefaultsForAllButTheNamesOfTheFields) {
  const TrainingSchema schema = Parse("fields: [{name: a}]");
  EXPECT_EQ(schema.task, model::Task::kBinary);
  EXPECT_EQ(schema.format, std::nullopt);
  EXPECT_EQ(schema.label_column, "");
  EXPECT_EQ(schema.separator, std::nullopt);
  EXPECT_EQ(schema.list_separator, '|');
  EXPECT_EQ(schema.features.field(0), model::Field{.name = "a"});
}

TEST(SchemaYaml, RefusesUnknownAndRepeatedKeysWithTheirLine) {
  EXPECT_THAT(Problem("label: y\n\nlabels: z\nfields: [{name: a}]"),
              StartsWith("s.yaml:3: a schema has no key 'labels'"));
  EXPECT_THAT(FieldProblem("min_cont: 2"), StartsWith("s.yaml:3: a field has no key 'min_cont'"));
  EXPECT_THAT(Problem("label: y\nlabel: z\nfields: [{name: a}]"),
              StartsWith("s.yaml:2: 'label' is given twice"));
}

TEST(SchemaYaml, RefusesValuesOfTheWrongType) {
  EXPECT_THAT(Problem("task: ranking\nfields: [{name: a}]"),
              StartsWith("s.yaml:1: one of these is expected here: binary, regression"));
  EXPECT_THAT(FieldProblem("kind: number"),
              HasSubstr("categorical, multi_valued, numeric, dense_vector"));
  EXPECT_THAT(FieldProblem("min_count: -1"), StartsWith("s.yaml:3: a whole number"));
  EXPECT_THAT(FieldProblem("min_count: 4294967296"), HasSubstr("whole number"));
  EXPECT_THAT(FieldProblem("min_count: 2.5"), HasSubstr("whole number"));
  EXPECT_THAT(FieldProblem("weighted: maybe"), HasSubstr("true or false"));
  EXPECT_THAT(FieldProblem("column: [a]"), HasSubstr("a text is expected"));
  EXPECT_THAT(FieldProblem("boundaries: 3"), HasSubstr("a list such as"));
  EXPECT_THAT(FieldProblem("boundaries: [1, two]"), HasSubstr("a number"));
  EXPECT_THAT(Problem("separator: ab\nfields: [{name: a}]"), HasSubstr("one character"));
  EXPECT_THAT(Problem("fields: {name: a}"), HasSubstr("must be a list"));
  EXPECT_THAT(Problem("fields: [a]"), HasSubstr("a field must be a map"));
  EXPECT_THAT(Problem("- a"), HasSubstr("a schema must be a map"));
}

TEST(SchemaYaml, RefusesFieldsThatTheModelRefusesWithTheirLine) {
  EXPECT_EQ(FieldProblem("kind: numeric, transform: boundaries"),
            "s.yaml:3: field 'f' has a number of boundaries outside 1 to 4096");
  EXPECT_THAT(FieldProblem("combiner: mean"), StartsWith("s.yaml:3: field 'f' has a combiner"));
  EXPECT_THAT(Problem("fields:\n  - {name: a}\n  - {kind: numeric}"),
              StartsWith("s.yaml:3: field '' has an empty name"));
  EXPECT_THAT(Problem("fields: [{name: a}, {name: a, column: b}]"),
              HasSubstr("field 'a' has the name of an earlier field"));
}

TEST(SchemaYaml, RefusesAMeanWithoutStddev) {
  EXPECT_THAT(FieldProblem("kind: numeric, transform: standardise, mean: 3"),
              HasSubstr("mean and stddev are given both"));
}

TEST(SchemaYaml, RefusesAColumnThatIsUsedTwice) {
  EXPECT_THAT(Problem("label: y\nweight: y\nfields: [{name: a}]"),
              StartsWith("s.yaml:2: the label is a column of its own"));
  EXPECT_THAT(Problem("label: y\nweight: w\nfields: [{name: w}]"), HasSubstr("used twice"));
  EXPECT_THAT(Problem("label: y\nfields: [{name: a, column: y}]"),
              HasSubstr("column 'y' is used twice"));
  EXPECT_THAT(Problem("fields: [{name: a}, {name: b, column: a}]"),
              HasSubstr("column 'a' is used twice"));
}

TEST(SchemaYaml, RefusesWhatIsNoSchemaAtAll) {
  EXPECT_THAT(Problem(""), StartsWith("s.yaml:"));
  EXPECT_THAT(Problem("label: y"), HasSubstr("'fields' is missing"));
  EXPECT_THAT(Problem("label: y\nfields: [{name: a"), StartsWith("s.yaml:2: "));
  EXPECT_THAT(Problem(std::string(kMaxSchemaBytes + 1, ' ')), HasSubstr("at most 1048576 bytes"));
  EXPECT_EQ(ReadSchemaYaml("/no/such.yaml").status().code(), absl::StatusCode::kNotFound);
}

TEST(SchemaYaml, ReadsTheExamples) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator("examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++examples;
    const absl::StatusOr<TrainingSchema> schema = ReadSchemaYaml(entry.path());
    EXPECT_TRUE(schema.ok()) << schema.status();
  }
  EXPECT_GE(examples, 6);
}

}  // namespace
}  // namespace fmserve::trainer
