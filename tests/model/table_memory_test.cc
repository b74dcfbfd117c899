#include "model/table_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "model/folded_catalogue.h"
#include "tests/model/test_catalogue.h"

namespace fmserve::model {
namespace {

constexpr size_t kStepBytes = size_t{2} << 20;

TableMemory FilledTable(size_t bytes) {
  absl::StatusOr<TableMemory> table = TableMemory::Allocate(bytes);
  EXPECT_TRUE(table.ok()) << table.status();
  std::memset(table->data(), 1, bytes);
  return *std::move(table);
}

bool AllAre(std::span<const std::byte> bytes, int value) {
  return std::ranges::all_of(bytes, [=](std::byte byte) { return byte == std::byte(value); });
}

size_t ResidentBytes(const TableMemory& table) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((table.size() + page_bytes - 1) / page_bytes);
  EXPECT_EQ(mincore(table.data(), table.size(), resident.data()), 0);
  return page_bytes * static_cast<size_t>(std::ranges::count_if(
                          resident, [](unsigned char page) { return (page & 1U) != 0; }));
}

TEST(TableMemory, IsZeroesAndMayBeEmpty) {
  const absl::StatusOr<TableMemory> table = TableMemory::Allocate(100'000);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(AllAre(std::span(table->data(), table->size()), 0));
  const absl::StatusOr<TableMemory> empty = TableMemory::Allocate(0);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->size(), 0U);
  const auto never = [] { return absl::InternalError("no step to take"); };
  EXPECT_TRUE(empty->ReleasePages(never).ok());
  EXPECT_TRUE(TableMemory().ReleasePages(never).ok());
}

TEST(TableMemory, TooMuchIsAnErrorThatSaysHowMuch) {
  const absl::Status status = TableMemory::Allocate(size_t{1} << 60).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_NE(status.message().find("1152921504606846976 bytes"), absl::string_view::npos);
}

TEST(TableMemory, IsGivenBackStepByStep) {
  const TableMemory table = FilledTable(2 * kStepBytes + 5000);
  ASSERT_GE(ResidentBytes(table), table.size());
  std::vector<size_t> resident_bytes;
  ASSERT_TRUE(table
                  .ReleasePages([&] {
                    resident_bytes.push_back(ResidentBytes(table));
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(resident_bytes.size(), 3U);
  EXPECT_GE(resident_bytes[0], kStepBytes);
  EXPECT_LT(resident_bytes[1], kStepBytes);
  EXPECT_EQ(resident_bytes[2], 0U);
  EXPECT_TRUE(AllAre(std::span(table.data(), table.size()), 0));
}

TEST(TableMemory, KeepsTheRestWhenItIsToldToStop) {
  const TableMemory table = FilledTable(3 * kStepBytes);
  const auto stop = [] { return absl::CancelledError("stopped"); };
  EXPECT_TRUE(absl::IsCancelled(table.ReleasePages(stop)));
  EXPECT_TRUE(AllAre(std::span(table.data(), kStepBytes), 0));
  EXPECT_TRUE(AllAre(std::span(table.data() + kStepBytes, 2 * kStepBytes), 1));
}

TEST(FoldedCatalogue, GivesAllItsTablesBack) {
  constexpr uint32_t kK = 64;
  constexpr uint32_t kItems = 20'000;
  const Vectors items = {.k = kK,
                         .v = std::vector(kItems, std::vector<float>(kK, 1.0F)),
                         .biases = std::vector<float>(kItems, 1.0F)};
  const TestFiles files = FilesOf(items);
  const KernelTable& kernels = **DefaultKernels();
  const auto folded = FoldOf(files, kernels);
  Scratch context;
  ScoreTestContext(files, kernels, 1, context);
  const uint64_t id = 7;
  uint32_t item = 0;
  folded->Find(std::span(&id, 1), std::span(&item, 1));
  ASSERT_EQ(item, 7U);
  size_t steps = 0;
  ASSERT_TRUE(folded
                  ->ReleasePages([&] {
                    ++steps;
                    return absl::OkStatus();
                  })
                  .ok());
  // Rows in f32, blocks in int8, slots: 5.2 MB, 1.4 MB and 0.3 MB.
  EXPECT_EQ(steps, 3U + 1U + 1U);
  float score = 0.0F;
  folded->Score(std::span(&item, 1), context, std::span(&score, 1));
  EXPECT_EQ(score, static_cast<float>(context.context_score())) << "the item's row is gone";
  folded->Find(std::span(&id, 1), std::span(&item, 1));
  EXPECT_EQ(item, kNoItem) << "and so is the index";
}

}  // namespace
}  // namespace fmserve::model
