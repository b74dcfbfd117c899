#include "trainer/chunk_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChunkStreamTest : public ::testing::Test {
 protected:
  ~ChunkStreamTest() override { unlink(path_.c_str()); }

  std::vector<Chunk> Cut(const std::string& text, size_t chunk_bytes,
                         const std::string& extension = ".tsv") {
    path_ = absl::StrCat(testing::TempDir(), "chunk_stream_test.", getpid(), extension);
    std::ofstream(path_, std::ios::binary) << text;
    auto stream = ChunkStream::Open(path_, schema_, chunk_bytes);
    EXPECT_TRUE(stream.ok()) << stream.status();
    std::vector<Chunk> chunks(1);
    while ((*stream)->Next(&chunks.back()).value()) chunks.emplace_back();
    chunks.pop_back();
    return chunks;
  }

  static std::vector<std::string> Texts(const std::vector<Chunk>& chunks) {
    std::vector<std::string> texts;
    for (const Chunk& chunk : chunks) texts.push_back(chunk.text);
    return texts;
  }

  // "line: first cell" of each row, or the error that ends them.
  std::vector<std::string> Rows(const std::vector<Chunk>& chunks) const {
    std::vector<std::string> rows;
    for (const Chunk& chunk : chunks) {
      auto reader = RowReader::OpenChunk(chunk, schema_, Labels::kRequired);
      if (!reader.ok()) return {reader.status().ToString()};
      for (Row row;;) {
        const auto more = (*reader)->Next(&row);
        if (!more.ok()) {
          rows.push_back(more.status().ToString());
          return rows;
        }
        if (!*more) break;
        rows.push_back(absl::StrCat(row.line, ": ", std::string(row.cells[0])));
      }
    }
    return rows;
  }

  TrainingSchema schema_ = ParseSchemaYaml("{label: y, fields: [{name: a}]}", "s.yaml").value();
  std::string path_;
};

TEST_F(ChunkStreamTest, CutsBetweenRecordsAndRepeatsTheHeader) {
  const auto chunks = Cut("y\ta\n1\tred\n0\tblue\n1\tgreen\n", 8);
  EXPECT_THAT(Texts(chunks), ElementsAre("y\ta\n1\tred\n", "y\ta\n0\tblue\n", "y\ta\n1\tgreen\n"));
  EXPECT_THAT(Rows(chunks), ElementsAre("2: red", "3: blue", "4: green"));
}

TEST_F(ChunkStreamTest, AnySizeOfChunksGivesTheSameRows) {
  std::string text = "\xef\xbb\xbfy\ta\r\n";
  for (int i = 0; i < 50; ++i)
    text += absl::StrCat(i % 2, "\t", std::string(i % 7 + 1, 'v'), "\r\n");
  text += "\n1\tlast without a line end";
  const auto whole = Rows(Cut(text, 1 << 20));
  ASSERT_EQ(whole.size(), 51U);
  EXPECT_EQ(whole.back(), "53: last without a line end");
  for (size_t bytes = 1; bytes < 60; ++bytes) EXPECT_EQ(Rows(Cut(text, bytes)), whole) << bytes;
}

TEST_F(ChunkStreamTest, DoesNotCutInsideQuotes) {
  const std::string text = "y,a\n1,\"one\ntwo \"\"quoted\"\"\n\"\n0,plain\n1,\"x\ny\"\n";
  const auto whole = Rows(Cut(text, 1 << 20, ".csv"));
  ASSERT_EQ(whole.size(), 3U);
  EXPECT_EQ(whole[1], "5: plain");
  for (size_t bytes = 1; bytes < 40; ++bytes) {
    EXPECT_EQ(Rows(Cut(text, bytes, ".csv")), whole) << bytes;
  }
}

TEST_F(ChunkStreamTest, TheHeaderIsTheFirstLineThatIsNotEmpty) {
  const auto chunks = Cut("\n\r\ny\ta\n1\tred\n0\tblue\n", 4);
  EXPECT_THAT(Rows(chunks), ElementsAre("4: red", "5: blue"));
}

TEST_F(ChunkStreamTest, SparseFilesHaveNoHeader) {
  schema_ = ParseSchemaYaml("{fields: [{name: id, kind: multi_valued}]}", "s.yaml").value();
  const auto chunks = Cut("1 3:1 4:1\n0 5:1\n", 4, ".libsvm");
  EXPECT_THAT(Texts(chunks), ElementsAre("1 3:1 4:1\n", "0 5:1\n"));
}

TEST_F(ChunkStreamTest, ErrorsNameTheLineOfTheWholeFile) {
  EXPECT_THAT(Rows(Cut("y\ta\n1\tred\n1\tblue\n7\tgreen\n", 8)).back(),
              HasSubstr(absl::StrCat(path_, ":4: ")));
  EXPECT_THAT(Rows(Cut("y\tb\n1\tred\n", 8)), ElementsAre(HasSubstr("tsv:1: the header has no")));
}

TEST_F(ChunkStreamTest, AFileWithoutRecordsIsOneChunk) {
  EXPECT_THAT(Texts(Cut("y\ta\n", 8)), ElementsAre("y\ta\n"));
  EXPECT_THAT(Rows(Cut("", 8)), ElementsAre(HasSubstr("the file is empty")));
}

TEST_F(ChunkStreamTest, ALineWithoutEndIsRefusedByItsNumber) {
  const std::string text = "y\ta\n1\tred\n1\t" + std::string(5 << 20, 'x');
  EXPECT_THAT(Rows(Cut(text, ChunkStream::kChunkBytes)).back(),
              HasSubstr(":3: the line is longer than"));
}

}  // namespace
}  // namespace fmserve::trainer
