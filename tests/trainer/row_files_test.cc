#include "trainer/row_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fmserve::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RowFilesTest : public testing::Test {
 protected:
  RowFilesTest() { std::filesystem::create_directories(folder_); }
  ~RowFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(folder_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }

  // The ads of all rows, or the error.
  std::string Ads() const {
    const auto reader = OpenRows(folder_, schema_, Labels::kRequired);
    if (!reader.ok()) return std::string(reader.status().message());
    std::string ads;
    Row row;
    while (true) {
      const absl::StatusOr<bool> more = (*reader)->Next(&row);
      if (!more.ok()) return std::string(more.status().message());
      if (!*more) return ads;
      ads += row.cells[0];
    }
  }

  const std::string folder_ = testing::TempDir() + "row_files_" + std::to_string(getpid());
  const TrainingSchema schema_ =
      *ParseSchemaYaml("label: click\nfields: [{name: ad}]\n", "schema.yaml");
};

TEST_F(RowFilesTest, AFolderIsItsFilesByName) {
  const std::string b = Write("b.tsv", "");
  const std::string a = Write("a.tsv", "");
  const std::string deep = Write("day/c.tsv", "");
  Write("_SUCCESS", "");
  Write(".hidden.tsv", "");
  Write("_temporary/d.tsv", "");
  EXPECT_THAT(*RowFiles(folder_), ElementsAre(a, b, deep));
  EXPECT_THAT(*RowFiles(b), ElementsAre(b));
}

TEST_F(RowFilesTest, AnEmptyFolderIsAnError) {
  EXPECT_EQ(RowFiles(folder_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RowFilesTest, RowsOfAllFilesAreReadWhereverTheirColumnsAre) {
  Write("1.tsv", "click\tad\n1\ta\n0\tb\n");
  Write("2.csv", "ad,click\nc,1\n");
  Write("3.tsv", "click\tad\n");
  Write("4.tsv", "click\tad\n0\td\n");
  EXPECT_EQ(Ads(), "abcd");
}

TEST_F(RowFilesTest, AnErrorNamesTheFileThatItIsIn) {
  Write("1.tsv", "click\tad\n1\ta\n");
  const std::string bad = Write("2.tsv", "click\tad\n7\tb\n");
  EXPECT_THAT(Ads(), HasSubstr(bad + ":2"));
  Write("2.tsv", "ad\nb\n");
  EXPECT_THAT(Ads(), HasSubstr(bad));
}

}  // namespace
}  // namespace fmserve::trainer
