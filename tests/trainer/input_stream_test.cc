#include "trainer/input_stream.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fmserve::trainer {
namespace {

using ::testing::HasSubstr;

// Longer than any buffer inside, and not the same everywhere.
std::string LongText() {
  std::string text;
  for (uint64_t i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i * 7919) + '\n';
  return text;
}

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

class InputStreamTest : public ::testing::Test {
 protected:
  // Writes a file and reads it back through a stream, in pieces of `piece` bytes.
  absl::StatusOr<std::string> ReadBack(const std::string& bytes, size_t piece = 100'000) {
    std::ofstream(path_, std::ios::binary) << bytes;
    absl::StatusOr<std::unique_ptr<InputStream>> stream = InputStream::Open(path_);
    if (!stream.ok()) return stream.status();
    std::string text;
    std::string buffer(piece, '\0');
    for (;;) {
      const absl::StatusOr<size_t> count = (*stream)->Read(buffer);
      if (!count.ok()) return count.status();
      if (*count == 0) return text;
      text.append(buffer, 0, *count);
    }
  }

  std::string path_ = testing::TempDir() + "input_stream_test." + std::to_string(getpid());
  void TearDown() override { unlink(path_.c_str()); }
};

TEST_F(InputStreamTest, ReadsPlainGzipAndZstdFilesByTheirContent) {
  const std::string text = LongText();
  for (size_t piece : {size_t{1000}, size_t{4'000'000}}) {
    EXPECT_TRUE(ReadBack(text, piece).value() == text);
    EXPECT_TRUE(ReadBack(Gzip(text), piece).value() == text);
    EXPECT_TRUE(ReadBack(Zstd(text), piece).value() == text);
  }
  EXPECT_EQ(ReadBack(Gzip("a\tb\n"), 1).value(), "a\tb\n");
  EXPECT_EQ(ReadBack(Zstd("a\tb\n"), 1).value(), "a\tb\n");
}

TEST_F(InputStreamTest, ReadsCompressedFilesPutTogether) {
  EXPECT_EQ(ReadBack(Gzip("one\n") + Gzip("two\n")).value(), "one\ntwo\n");
  EXPECT_EQ(ReadBack(Zstd("one\n") + Zstd("two\n")).value(), "one\ntwo\n");
}

TEST_F(InputStreamTest, ReadsEmptyFilesOfEveryKind) {
  EXPECT_EQ(ReadBack("").value(), "");
  EXPECT_EQ(ReadBack(Gzip("")).value(), "");
  EXPECT_EQ(ReadBack(Zstd("")).value(), "");
}

TEST_F(InputStreamTest, TellsWhenACompressedFileEndsEarly) {
  const std::string text = LongText();
  for (const std::string& whole : {Gzip(text), Zstd(text), Gzip("x"), Zstd("x")}) {
    for (size_t missing : {size_t{1}, size_t{6}, whole.size() / 2}) {
      const absl::Status status = ReadBack(whole.substr(0, whole.size() - missing)).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << whole.size() << " - " << missing;
      EXPECT_THAT(status.ToString(), HasSubstr(path_));
    }
  }
}

TEST_F(InputStreamTest, TellsWhenACompressedFileIsDamaged) {
  std::string gzip = Gzip(LongText());
  gzip[gzip.size() / 2] ^= 0x55;
  EXPECT_EQ(ReadBack(gzip).status().code(), absl::StatusCode::kDataLoss);
  std::string zstd = Zstd("some text");
  zstd[4] ^= 0x18;  // reserved and checksum bits of the frame header
  EXPECT_EQ(ReadBack(zstd).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(InputStreamTest, NamesAFileThatCannotBeOpenedOrRead) {
  const absl::Status missing = InputStream::Open("/no/such/file.tsv").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.ToString(), HasSubstr("/no/such/file.tsv"));
  EXPECT_FALSE(InputStream::Open(testing::TempDir()).ok());
}

}  // namespace
}  // namespace fmserve::trainer
