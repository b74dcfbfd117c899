#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer/line_reader.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Cells = std::vector<std::string>;

constexpr const char* kTwoColumns = "{label: y, fields: [{name: a}, {name: b}]}";
constexpr const char* kLibsvm =
    "{fields: [{name: id, kind: multi_valued, weighted: true, value_type: integer}]}";
constexpr const char* kLibffm = R"({fields: [
  {name: user, value_type: integer},
  {name: genres, kind: multi_valued, weighted: true, value_type: integer},
  {name: price, kind: numeric}]})";

class ReaderTest : public ::testing::Test {
 protected:
  void TearDown() override { unlink(path_.c_str()); }

  // Opens a file of this content whose name ends in `extension`.
  absl::StatusOr<std::unique_ptr<RowReader>> Open(const std::string& yaml, const std::string& text,
                                                  const std::string& extension = ".tsv",
                                                  Labels labels = Labels::kRequired) {
    schema_ = ParseSchemaYaml(yaml, "s.yaml").value();
    path_ = testing::TempDir() + "reader_test." + std::to_string(getpid()) + extension;
    std::ofstream(path_, std::ios::binary) << text;
    return RowReader::Open(path_, schema_, labels);
  }

  // All rows of the file; labels_ are theirs.
  absl::StatusOr<std::vector<Cells>> ReadAll(const std::string& yaml, const std::string& text,
                                             const std::string& extension = ".tsv",
                                             Labels labels = Labels::kRequired) {
    absl::StatusOr<std::unique_ptr<RowReader>> reader = Open(yaml, text, extension, labels);
    if (!reader.ok()) return reader.status();
    std::vector<Cells> rows;
    labels_.clear();
    weights_.clear();
    lines_.clear();
    for (Row row;;) {
      const absl::StatusOr<bool> more = (*reader)->Next(&row);
      if (!more.ok()) return more.status();
      if (!*more) return rows;
      rows.emplace_back(row.cells.begin(), row.cells.end());
      labels_.push_back(row.label);
      weights_.push_back(row.weight);
      lines_.push_back(row.line);
    }
  }

  std::vector<Cells> Rows(const std::string& yaml, const std::string& text,
                          const std::string& extension = ".tsv",
                          Labels labels = Labels::kRequired) {
    absl::StatusOr<std::vector<Cells>> rows = ReadAll(yaml, text, extension, labels);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(std::vector<Cells>());
  }

  // The error, without the path before ":line".
  std::string Problem(const std::string& yaml, const std::string& text,
                      const std::string& extension = ".tsv", Labels labels = Labels::kRequired) {
    const absl::Status status = ReadAll(yaml, text, extension, labels).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string message(status.message());
    return message.starts_with(path_) ? message.substr(path_.size()) : message;
  }

  TrainingSchema schema_;
  std::string path_;
  std::vector<std::optional<float>> labels_;
  std::vector<float> weights_;
  std::vector<uint64_t> lines_;
};

TEST_F(ReaderTest, FindsColumnsByNameAndIgnoresOthers) {
  EXPECT_THAT(Rows(kTwoColumns, "x\tb\ty\ta\n1\t2\t0\t4\n5\t6\t1\t8\n"),
              ElementsAre(Cells{"4", "2"}, Cells{"8", "6"}));
  EXPECT_THAT(labels_, ElementsAre(0, 1));
  EXPECT_THAT(lines_, ElementsAre(2, 3));
}

TEST_F(ReaderTest, FollowsTheColumnSettingOfAField) {
  EXPECT_THAT(Rows("{label: y, fields: [{name: a, column: b}]}", "y\ta\tb\n1\t2\t3\n"),
              ElementsAre(Cells{"3"}));
}

TEST_F(ReaderTest, ReadsTheWeightsOfRowsThatHaveALabel) {
  constexpr const char* kWeighted = "{label: y, weight: n, fields: [{name: a}]}";
  Rows(kWeighted, "y\tn\ta\n1\t2.5\tx\n0\t0\tx\n");
  EXPECT_THAT(weights_, ElementsAre(2.5F, 0.0F));
  Rows(kTwoColumns, "y\ta\tb\n1\t2\t3\n");
  EXPECT_THAT(weights_, ElementsAre(1.0F));
  Rows(kWeighted, "a\nx\n", ".tsv", Labels::kOptional);
  EXPECT_THAT(weights_, ElementsAre(1.0F)) << "of no use without labels";
  EXPECT_THAT(Problem(kWeighted, "y\ta\n1\tx\n"), HasSubstr("no column 'n'"));
  for (const char* weight : {"-1", "nan", "2e6", "", "x"}) {
    EXPECT_THAT(Problem(kWeighted, absl::StrCat("y\tn\ta\n1\t", weight, "\tx\n")),
                AllOf(StartsWith(":2: column 2 'n': weight"), HasSubstr("from 0 to 1e+06")));
  }
  EXPECT_THAT(Problem("{weight: n, fields: [{name: id, kind: multi_valued, weighted: true}]}",
                      "1 1:1\n", ".libsvm"),
              HasSubstr("remove 'weight: n' from the schema"));
}

TEST_F(ReaderTest, KeepsTsvCellsAsTheyAre) {
  EXPECT_THAT(Rows(kTwoColumns, "y\ta\tb\n1\t \"q\" ,\t\n1\t\tx|y:2"),
              ElementsAre(Cells{" \"q\" ,", ""}, Cells{"", "x|y:2"}));
}

TEST_F(ReaderTest, TakesWindowsLineEndsByteOrderMarkAndEmptyLines) {
  EXPECT_THAT(Rows(kTwoColumns, "\xef\xbb\xbfy\ta\tb\r\n1\t2\t3\r\n\r\n\n0\t4\t5\r\n"),
              ElementsAre(Cells{"2", "3"}, Cells{"4", "5"}));
  EXPECT_THAT(lines_, ElementsAre(2, 5));
  EXPECT_THAT(Rows(kTwoColumns, "\xef\xbb\xbf\"y\",\"a\",\"b\"\n1,2,3\n", ".csv"),
              ElementsAre(Cells{"2", "3"}));
}

TEST_F(ReaderTest, ReadsATableWithoutRows) {
  EXPECT_THAT(Rows(kTwoColumns, "y\ta\tb"), testing::IsEmpty());
}

TEST_F(ReaderTest, NamesTheColumnsThatTheHeaderLacks) {
  EXPECT_EQ(Problem(kTwoColumns, "y\tc\n1\t2\n"), ":1: the header has no column 'a', 'b'");
  EXPECT_EQ(Problem(kTwoColumns, "a\tb\n1\t2\n"), ":1: the header has no column 'y'");
  EXPECT_THAT(Problem(kTwoColumns, ""), HasSubstr("the file is empty"));
}

TEST_F(ReaderTest, RefusesAnAmbiguousHeader) {
  EXPECT_EQ(Problem(kTwoColumns, "y\ta\tb\ta\n"), ":1: the header has column 'a' more than once");
  EXPECT_THAT(Rows(kTwoColumns, "y\tx\ta\tb\tx\n1\t2\t3\t4\t5\n"), ElementsAre(Cells{"3", "4"}));
}

TEST_F(ReaderTest, NeedsLabelsOnlyWhenAsked) {
  EXPECT_THAT(Rows(kTwoColumns, "a\tb\n1\t2\n", ".tsv", Labels::kOptional),
              ElementsAre(Cells{"1", "2"}));
  EXPECT_THAT(labels_, ElementsAre(std::nullopt));
  EXPECT_THAT(Rows(kTwoColumns, "a\tb\ty\n1\t2\t1\n", ".tsv", Labels::kOptional),
              ElementsAre(Cells{"1", "2"}));
  EXPECT_THAT(labels_, ElementsAre(1));
  EXPECT_THAT(Rows(kTwoColumns, "a\tb\ty\n1\t2\t\n", ".tsv", Labels::kOptional),
              ElementsAre(Cells{"1", "2"}));
  EXPECT_THAT(labels_, ElementsAre(std::nullopt));
  EXPECT_THAT(Problem("fields: [{name: a}]", "a\n1\n"), HasSubstr("names no label column"));
}

TEST_F(ReaderTest, NamesTheLineWithTooManyOrTooFewColumns) {
  EXPECT_EQ(Problem(kTwoColumns, "y\ta\tb\n1\t2\t3\n1\t2\n"),
            ":3: the line has 2 columns, the header has 3");
  EXPECT_EQ(Problem(kTwoColumns, "y\ta\tb\n1\t2\t3\t4\n"),
            ":2: the line has 4 columns, the header has 3");
}

TEST_F(ReaderTest, NamesLineAndColumnOfABadLabel) {
  EXPECT_THAT(Problem(kTwoColumns, "a\ty\tb\n1\t2\t3\n"),
              StartsWith(":2: column 2 'y': label '2' of a binary task is not 1, 0 or -1"));
  const std::string regression = "{task: regression, label: y, fields: [{name: a}]}";
  EXPECT_EQ(Problem(regression, "y\ta\ninf\t1\n"),
            ":2: column 1 'y': label 'inf' is not a finite number");
}

TEST_F(ReaderTest, RefusesAnOverlongLine) {
  const std::string longest(kMaxLineBytes - 4, 'x');
  EXPECT_THAT(Rows(kTwoColumns, "y\ta\tb\n1\t2\t" + longest + "\n0\t3\t4\n"), testing::SizeIs(2));
  EXPECT_EQ(Problem(kTwoColumns, "y\ta\tb\n1\t2\t" + longest + "x\n0\t3\t4\n"),
            ":2: the line is longer than 1048576 bytes");
}

TEST_F(ReaderTest, ReadsLinesAcrossItsBuffers) {
  std::string text = "y\ta\tb\n";
  constexpr int kRows = 60'000;
  for (int i = 0; i < kRows; ++i) {
    text += "1\t" + std::to_string(i) + "\t" + std::string(static_cast<size_t>(i % 97), 'z') + "\n";
  }
  const std::vector<Cells> rows = Rows(kTwoColumns, text);
  ASSERT_EQ(rows.size(), kRows);
  for (int i = 0; i < kRows; ++i) {
    const std::string z(static_cast<size_t>(i % 97), 'z');
    ASSERT_EQ(rows[static_cast<size_t>(i)], (Cells{std::to_string(i), z}));
  }
}

TEST_F(ReaderTest, TranslatesTheListSeparator) {
  const std::string yaml =
      R"({label: y, list_separator: " ", fields: [{name: a, kind: multi_valued}, {name: b}]})";
  EXPECT_THAT(Rows(yaml, "y\ta\tb\n1\tx y z\tx y|z\n"), ElementsAre(Cells{"x|y|z", "x y|z"}));
  EXPECT_EQ(Problem(yaml, "y\ta\tb\n1\tx|y\tz\n"),
            ":2: column 2 'a': a value contains '|', which values of lists must not");
}

TEST_F(ReaderTest, ReadsQuotedCsvCells) {
  EXPECT_THAT(
      Rows(kTwoColumns, "y,\"a\",b\n1,\"x,y\",\"say \"\"hi\"\"\"\n0,,\"\"\n1,p,q\n", ".csv"),
      ElementsAre(Cells{"x,y", "say \"hi\""}, Cells{"", ""}, Cells{"p", "q"}));
}

TEST_F(ReaderTest, ReadsQuotedCsvCellsOfSeveralLines) {
  EXPECT_THAT(Rows(kTwoColumns, "y,a,b\n1,\"x\n\n\"\"y\",z\n0,p,q", ".csv"),
              ElementsAre(Cells{"x\n\n\"y", "z"}, Cells{"p", "q"}));
  EXPECT_THAT(lines_, ElementsAre(2, 5));
}

TEST_F(ReaderTest, RefusesMalformedQuotes) {
  EXPECT_EQ(Problem(kTwoColumns, "y,a,b\n1,\"x,y\n", ".csv"), ":2: a quote is not closed");
  EXPECT_THAT(Problem(kTwoColumns, "y,a,b\n1,\"x\"y,z\n", ".csv"),
              StartsWith(":2: text follows a closing quote"));
  EXPECT_THAT(Problem(kTwoColumns, "y,a,b\n1,5\"\",z\n", ".csv"),
              StartsWith(":2: a quote stands inside a cell"));
}

TEST_F(ReaderTest, TakesAnotherSeparator) {
  EXPECT_THAT(Rows("{label: y, separator: ;, fields: [{name: a}]}", "y;a\n1;x,y\n", ".csv"),
              ElementsAre(Cells{"x,y"}));
}

TEST_F(ReaderTest, ReadsLibsvmIdsAsOneWeightedList) {
  EXPECT_THAT(Rows(kLibsvm, "+1 3:1 7:0.5\n-1\t4  # comment\n\n# nothing\n0\n", ".libsvm"),
              ElementsAre(Cells{"3:1|7:0.5"}, Cells{"4:1"}, Cells{""}));
  EXPECT_THAT(labels_, ElementsAre(1, 0, 0));
  EXPECT_THAT(lines_, ElementsAre(1, 2, 5));
}

TEST_F(ReaderTest, ReadsLibsvmWithoutLabels) {
  EXPECT_THAT(Rows(kLibsvm, "3:1 7:1\n1 4:1\n", ".svm", Labels::kOptional),
              ElementsAre(Cells{"3:1|7:1"}, Cells{"4:1"}));
  EXPECT_THAT(labels_, ElementsAre(std::nullopt, 1));
}

TEST_F(ReaderTest, RefusesMalformedLibsvm) {
  EXPECT_EQ(Problem(kLibsvm, "1 3:1\n1 a:1\n", ".libsvm"), ":2: 'a:1' is not id:value");
  EXPECT_EQ(Problem(kLibsvm, "1 3:x\n", ".libsvm"), ":1: '3:x' is not id:value");
  EXPECT_EQ(Problem(kLibsvm, "1 3:0.5 7:", ".libsvm"), ":1: '7:' is not id:value");
  EXPECT_THAT(Problem(kLibsvm, "3:1 7:1\n", ".libsvm"), StartsWith(":1: label '3:1'"));
}

TEST_F(ReaderTest, ReadsLibsvmFeaturesByTheirPlaceInTheLineWhenTheSchemaHasFields) {
  constexpr const char* kFields = R"({fields: [
    {name: user, value_type: integer},
    {name: price, kind: numeric},
    {name: app, side: item}]})";
  EXPECT_THAT(Rows(kFields, "1 7:1 100:0.5 203:1\n0 8 100:2 word\n", ".libsvm"),
              ElementsAre(Cells{"7", "0.5", "203"}, Cells{"8", "2", "word"}));
  EXPECT_EQ(Problem(kFields, "1 7 100:0.5 203\n1 7 203\n", ".libsvm"),
            ":2: there are 2 features, but the schema has 3 fields, each for the feature in its "
            "place");
  EXPECT_EQ(Problem(kFields, "1 7 100:0.5 203 9\n", ".libsvm"),
            ":1: '9' is one feature more than the 3 of the schema");
  EXPECT_THAT(Problem(kFields, "1 7:2 100:0.5 203\n", ".libsvm"),
              HasSubstr("field 'user' is not weighted"));
}

TEST_F(ReaderTest, RefusesVectorsInSparseFiles) {
  for (const char* extension : {".libsvm", ".libffm"}) {
    EXPECT_THAT(
        Problem("{fields: [{name: a, kind: dense_vector, dimension: 2}]}", "1 3:1\n", extension),
        HasSubstr("field 'a' is a dense_vector"));
  }
}

TEST_F(ReaderTest, ReadsLibffmFieldsByTheirPositionInTheSchema) {
  EXPECT_THAT(Rows(kLibffm, "1 1:7:1 0:42:1 1:8:0.5 2:9:0.25\n0 0:43\n", ".libffm"),
              ElementsAre(Cells{"42", "7:1|8:0.5", "0.25"}, Cells{"43", "", ""}));
}

TEST_F(ReaderTest, RefusesMalformedLibffm) {
  EXPECT_THAT(Problem(kLibffm, "1 3:7:1\n", ".ffm"), HasSubstr("a field from 0 to 2"));
  EXPECT_THAT(Problem(kLibffm, "1 0:1 0:2\n", ".ffm"),
              HasSubstr("'0:2' is the second value of field 'user'"));
  EXPECT_THAT(Problem(kLibffm, "1 0:1:0.5\n", ".ffm"), HasSubstr("field 'user' is not weighted"));
  EXPECT_THAT(Problem(kLibffm, "1 1:x:1\n", ".ffm"), HasSubstr("is not field:id:value"));
  EXPECT_THAT(Problem(kLibffm, "1 2:9:\n", ".ffm"), HasSubstr("is not field:id:value"));
}

TEST_F(ReaderTest, RefusesALabelColumnInAFileWithoutColumns) {
  EXPECT_THAT(Problem("{label: y, fields: [{name: a, kind: multi_valued}]}", "1 3:1\n", ".libsvm"),
              HasSubstr("remove 'label: y'"));
}

TEST_F(ReaderTest, SaysWhereARowStandsForTheErrorsOfOthers) {
  absl::StatusOr<std::unique_ptr<RowReader>> reader = Open(kTwoColumns, "y\ta\tb\n1\t2\t3\n");
  ASSERT_TRUE(reader.ok()) << reader.status();
  Row row;
  ASSERT_TRUE((*reader)->Next(&row).value());
  EXPECT_THAT((*reader)->Where(), EndsWith(".tsv:2"));
}

TEST(FormatOfPath, LooksBehindTheCompression) {
  EXPECT_EQ(FormatOfPath("a/b.tsv"), TableFormat::kTsv);
  EXPECT_EQ(FormatOfPath("b.csv.gz"), TableFormat::kCsv);
  EXPECT_EQ(FormatOfPath("b.libsvm.zst"), TableFormat::kLibsvm);
  EXPECT_EQ(FormatOfPath("b.ffm"), TableFormat::kLibffm);
  EXPECT_EQ(FormatOfPath("tsv"), std::nullopt);
  EXPECT_EQ(FormatOfPath("/dev/stdin"), std::nullopt);
}

TEST_F(ReaderTest, AsksForTheFormatThatTheNameDoesNotTell) {
  EXPECT_THAT(Problem(kTwoColumns, "y\ta\tb\n", ".txt"), HasSubstr("set 'format' in the schema"));
  EXPECT_THAT(Rows("{format: tsv, label: y, fields: [{name: a}]}", "y\ta\n1\t2\n", ".txt"),
              ElementsAre(Cells{"2"}));
}

TEST(ParseLabel, TakesOneZeroAndMinusOneForABinaryTask) {
  for (const char* text : {"1", "+1", "1.0"}) {
    EXPECT_EQ(ParseLabel(model::Task::kBinary, text).value(), 1.0F) << text;
  }
  for (const char* text : {"0", "-1", "0.0"}) {
    EXPECT_EQ(ParseLabel(model::Task::kBinary, text).value(), 0.0F) << text;
  }
  for (const char* text : {"", "2", "0.5", "true", "nan", "1 "}) {
    EXPECT_FALSE(ParseLabel(model::Task::kBinary, text).ok()) << text;
  }
  EXPECT_EQ(ParseLabel(model::Task::kRegression, "-3.5").value(), -3.5F);
  EXPECT_FALSE(ParseLabel(model::Task::kRegression, "nan").ok());
}

}  // namespace
}  // namespace fmserve::trainer
