#include "trainer/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "trainer/chunk_stream.h"
#include "trainer/value_text.h"

namespace fmserve::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DatasetTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path =
        testing::TempDir() + "dataset_test_" + std::to_string(getpid()) + "_" + name;
    std::ofstream(path) << text;
    files_.push_back(path);
    return path;
  }

  static TrainingSchema Schema(const std::string& fields) {
    absl::StatusOr<TrainingSchema> schema =
        ParseSchemaYaml("task: binary\nlabel: click\nfields:\n" + fields, "schema.yaml");
    EXPECT_TRUE(schema.ok()) << schema.status();
    return *schema;
  }

  // "field=value" -> how many entries each feature has in the examples.
  static std::map<std::string, int> Uses(const TrainingData& data, const Examples& examples) {
    std::map<std::string, int> uses;
    for (const Entry& entry : examples.entries) {
      const Feature& feature = data.vocabulary[entry.row];
      ++uses[data.schema.field(feature.field).name + "=" + feature.value];
    }
    return uses;
  }

  ~DatasetTest() override {
    for (const std::string& path : files_) std::filesystem::remove(path);
  }

 private:
  std::vector<std::string> files_;
};

TEST_F(DatasetTest, ValuesBelowMinCountShareTheRareRow) {
  const TrainingSchema schema = Schema("  - {name: ad, min_count: 2}\n");
  const std::string path = Write("t.tsv", "click\tad\n1\ta\n0\ta\n0\tb\n1\tc\n0\t\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Uses(*data, data->examples),
            (std::map<std::string, int>{{"ad=a", 2}, {"ad=(rare)", 2}, {"ad=(missing)", 1}}));
  EXPECT_THAT(data->examples.labels, ElementsAre(1, 0, 0, 1, 0));
  EXPECT_THAT(data->vocabulary.distinct_values(), ElementsAre(3));
  EXPECT_THAT(data->missing_by_field, ElementsAre(1));
}

TEST_F(DatasetTest, KeepsTheSameShareOfNegativesForOneSeed) {
  const TrainingSchema schema = Schema("  - {name: ad}\n");
  std::string text = "click\tad\n";
  for (int i = 0; i < 4000; ++i) text += i % 4 == 0 ? "1\ta\n" : "0\tb\n";
  const std::string path = Write("t.tsv", text);
  const auto labels = [&](uint64_t seed) {
    return ReadTrainingData(path, schema, {.seed = seed, .negatives = 0.1})->examples.labels;
  };
  const std::vector<float> kept = labels(1);
  EXPECT_EQ(std::ranges::count(kept, 1.0F), 1000);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(kept, 0.0F)), 300.0, 60.0);
  EXPECT_EQ(labels(1), kept);
  EXPECT_NE(labels(2), kept);
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  EXPECT_EQ(ReadExamples(path, schema, *data, {.negatives = 0.1})->size(), 4000U);
}

TEST_F(DatasetTest, RowsHaveTheWeightsOfTheirColumn) {
  const auto schema =
      ParseSchemaYaml("{label: click, weight: n, fields: [{name: ad}]}", "schema.yaml");
  ASSERT_TRUE(schema.ok()) << schema.status();
  const std::string path = Write("t.tsv", "click\tn\tad\n1\t2\ta\n0\t0.5\tb\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, *schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->examples.weights, ElementsAre(2.0F, 0.5F));
  EXPECT_THAT(ReadExamples(path, *schema, *data, {})->weights, ElementsAre(2.0F, 0.5F));
  const std::string nothing = Write("n.tsv", "click\tn\tad\n1\t0\ta\n");
  EXPECT_THAT(std::string(ReadTrainingData(nothing, *schema, {}).status().message()),
              HasSubstr("n.tsv: all rows have weight 0"));
}

TEST_F(DatasetTest, AValueTwiceInOneRowCountsOnce) {
  const TrainingSchema schema = Schema("  - {name: tags, kind: multi_valued, min_count: 2}\n");
  const std::string path = Write("t.tsv", "click\ttags\n1\ta|a|b\n0\tb\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Uses(*data, data->examples),
            (std::map<std::string, int>{{"tags=(rare)", 2}, {"tags=b", 2}}));
}

TEST_F(DatasetTest, UnknownValuesBecomeTheRareRowOrNothing) {
  const TrainingSchema schema = Schema("  - {name: ad, min_count: 2}\n  - {name: site}\n");
  const std::string train = Write("t.tsv", "click\tad\tsite\n1\ta\tx\n0\ta\tx\n0\tb\ty\n");
  const std::string valid = Write("v.tsv", "click\tad\tsite\n1\tnew\tnew\n0\ta\ty\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(train, schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  const absl::StatusOr<Examples> examples = ReadExamples(valid, schema, *data, {});
  ASSERT_TRUE(examples.ok()) << examples.status();
  EXPECT_EQ((*examples)[0].size(), 1U) << "site has no rare row";
  EXPECT_EQ(Uses(*data, *examples),
            (std::map<std::string, int>{{"ad=(rare)", 1}, {"ad=a", 1}, {"site=y", 1}}));
}

TEST_F(DatasetTest, FieldsToStandardiseAreMeasured) {
  const TrainingSchema schema = Schema("  - {name: age, kind: numeric, transform: standardise}\n");
  const std::string path = Write("t.tsv", "click\tage\n1\t10\n0\t20\n0\t\n1\t60\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_DOUBLE_EQ(data->schema.field(0).mean, 30.0);
  const double stddev = std::sqrt((400.0 + 100.0 + 900.0) / 3);
  EXPECT_DOUBLE_EQ(data->schema.field(0).stddev, stddev);
  EXPECT_NEAR(data->examples[3][0].x, 30.0 / stddev, 1e-6);
}

TEST_F(DatasetTest, ConstantFieldsCannotBeStandardised) {
  const TrainingSchema schema = Schema("  - {name: age, kind: numeric, transform: standardise}\n");
  const std::string path = Write("t.tsv", "click\tage\n1\t10\n0\t10\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(data.status().message()), HasSubstr("'age'"));
}

TEST_F(DatasetTest, ErrorsNameFileLineAndField) {
  const TrainingSchema schema = Schema("  - {name: age, kind: numeric}\n");
  const std::string path = Write("t.tsv", "click\tage\n1\t10\n0\told\n");
  const std::string message(ReadTrainingData(path, schema, {}).status().message());
  EXPECT_THAT(message, HasSubstr(path + ":3"));
  EXPECT_THAT(message, HasSubstr("age"));
  EXPECT_THAT(message, HasSubstr("old"));
}

TEST_F(DatasetTest, TheNumberOfThreadsChangesNothing) {
  const TrainingSchema schema = Schema(
      "  - {name: ad, min_count: 2}\n  - {name: age, kind: numeric, transform: standardise}\n");
  std::string text = "click\tad\tage\n";
  for (int i = 0; i < 300'000; ++i) {
    text += i % 3 == 0 ? "1\tad" : "0\tad";
    text += std::to_string(int64_t{i} * i % 20'011) + "\t" + std::to_string(i % 71) + "\n";
  }
  const std::string path = Write("t.tsv", text);
  const auto one = ReadTrainingData(path, schema, {.negatives = 0.5, .threads = 1});
  const auto four = ReadTrainingData(path, schema, {.negatives = 0.5, .threads = 4});
  ASSERT_TRUE(one.ok() && four.ok()) << one.status() << four.status();
  ASSERT_GT(text.size(), 3 * ChunkStream::kChunkBytes);
  EXPECT_EQ(one->examples.labels, four->examples.labels);
  EXPECT_EQ(one->examples.ends, four->examples.ends);
  EXPECT_TRUE(std::ranges::equal(
      one->examples.entries, four->examples.entries,
      [](const Entry& a, const Entry& b) { return a.row == b.row && a.x == b.x; }));
  EXPECT_EQ(one->samples, four->samples);
  EXPECT_EQ(one->vocabulary.keys(), four->vocabulary.keys());
  for (size_t row = 0; row < one->vocabulary.size(); ++row) {
    ASSERT_EQ(one->vocabulary[row].value, four->vocabulary[row].value);
    ASSERT_EQ(one->vocabulary[row].count, four->vocabulary[row].count);
  }
  EXPECT_EQ(one->schema.field(1).mean, four->schema.field(1).mean);
  const auto known = ReadExamples(path, schema, *one, {.threads = 4});
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->size(), 300'000U);
  EXPECT_EQ(known->entries.size(), 600'000U);
}

TEST_F(DatasetTest, TheFirstErrorOfTheFileIsTheOneThatIsTold) {
  const TrainingSchema schema = Schema("  - {name: ad}\n");
  std::string text = "click\tad\n";
  for (int i = 2; i <= 500'000; ++i) {
    text += i == 250'000 || i == 450'000 ? "maybe\tad\n" : "1\tan ad\n";
  }
  const std::string path = Write("t.tsv", text);
  const auto data = ReadTrainingData(path, schema, {.threads = 4});
  EXPECT_THAT(std::string(data.status().message()), HasSubstr(path + ":250000: "));
}

TEST_F(DatasetTest, AFileWithoutRowsIsAnError) {
  const TrainingSchema schema = Schema("  - {name: ad}\n");
  const absl::StatusOr<TrainingData> data =
      ReadTrainingData(Write("t.tsv", "click\tad\n"), schema, {});
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DatasetTest, SamplesAreRowsOfTheFile) {
  const TrainingSchema schema = Schema("  - {name: ad}\n");
  std::string text = "click\tad\n";
  for (int i = 0; i < 100; ++i) text += "1\tad" + std::to_string(i) + "\n";
  const std::string path = Write("t.tsv", text);
  const absl::StatusOr<TrainingData> data =
      ReadTrainingData(path, schema, {.seed = 3, .samples = 10});
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_EQ(data->samples.size(), 10U);
  int beyond_first = 0;
  for (const RawRow& row : data->samples) {
    ASSERT_EQ(row.size(), 1U);
    beyond_first += std::stoi(row[0].substr(2)) >= 10;
  }
  EXPECT_GT(beyond_first, 0) << "they are just the first rows";
}

TEST_F(DatasetTest, ValuesKeepTheirNames) {
  const TrainingSchema schema = Schema(
      "  - {name: tags, kind: multi_valued, weighted: true}\n"
      "  - {name: id, value_type: integer}\n"
      "  - {name: age, kind: numeric, transform: boundaries, boundaries: [18, 30]}\n"
      "  - {name: price, kind: numeric}\n"
      "  - {name: image, kind: dense_vector, dimension: 2}\n");
  const std::string path =
      Write("t.tsv", "click\ttags\tid\tage\tprice\timage\n1\ta:b:2.5|c\t042\t20\t1.5\t0.5|0.25\n");
  const absl::StatusOr<TrainingData> data = ReadTrainingData(path, schema, {});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Uses(*data, data->examples), (std::map<std::string, int>{{"tags=a:b", 1},
                                                                     {"tags=c", 1},
                                                                     {"id=42", 1},
                                                                     {"age=1", 1},
                                                                     {"price=", 1},
                                                                     {"image=0", 1},
                                                                     {"image=1", 1}}));
}

}  // namespace
}  // namespace fmserve::trainer
