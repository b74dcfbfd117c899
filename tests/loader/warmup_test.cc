#include "loader/warmup.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "model/mapped_file.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

// Pages of `bytes` (whole pages) that this process can read without a fault: /proc/self/pagemap,
// bit 63.
size_t MappedPages(std::span<const std::byte> bytes) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t first = reinterpret_cast<uintptr_t>(bytes.data()) / page_bytes;
  std::vector<uint64_t> entries(bytes.size() / page_bytes);
  FILE* const file = fopen("/proc/self/pagemap", "rb");
  EXPECT_NE(file, nullptr);
  EXPECT_EQ(fseek(file, static_cast<long>(first * sizeof(uint64_t)), SEEK_SET), 0);
  EXPECT_EQ(fread(entries.data(), sizeof(uint64_t), entries.size(), file), entries.size());
  fclose(file);
  size_t mapped = 0;
  for (const uint64_t entry : entries) mapped += entry >> 63;
  return mapped;
}

class Warmup : public ::testing::Test {
 protected:
  static constexpr size_t kPages = 3000;  // several steps, and a part of one

  Warmup() {
    page_bytes_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    WriteFile(folder_.Path("file"), std::string(kPages * page_bytes_, 'x'));
    mapping_.emplace(*model::MappedFile::Open(folder_.Path("file")));
  }

  size_t page_bytes_ = 0;
  TestFolder folder_;
  std::optional<model::MappedFile> mapping_;
};

TEST_F(Warmup, MapsEveryPage) {
  ASSERT_LT(MappedPages(mapping_->bytes()), kPages);
  ASSERT_TRUE(Warm(mapping_->bytes(), model::NeverStop).ok());
  EXPECT_EQ(MappedPages(mapping_->bytes()), kPages);
}

TEST_F(Warmup, TakesSpansThatDoNotBeginOrEndWithAPage) {
  const auto two_pages = mapping_->bytes().subspan(page_bytes_ + 64, page_bytes_);
  ASSERT_TRUE(Warm(two_pages, model::NeverStop).ok());
  EXPECT_EQ(MappedPages(mapping_->bytes().subspan(page_bytes_, 2 * page_bytes_)), 2U);
  EXPECT_TRUE(Warm(mapping_->bytes().first(0), model::NeverStop).ok());
}

TEST_F(Warmup, EndsAtACheckpointThatSaysSo) {
  int checkpoints = 0;
  const absl::Status status = Warm(mapping_->bytes(), [&checkpoints] {
    return ++checkpoints < 3 ? absl::OkStatus() : absl::CancelledError("enough");
  });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_GE(MappedPages(mapping_->bytes()), 3 * kWarmupStepBytes / page_bytes_);
  EXPECT_LT(MappedPages(mapping_->bytes()), kPages);
}

}  // namespace
}  // namespace fmserve::loader
