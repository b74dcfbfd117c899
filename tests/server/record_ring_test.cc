#include "server/record_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace fmserve::server {
namespace {

bool Put(RecordRing* ring, const std::string& record) {
  char* const room = ring->Reserve(record.size());
  if (room == nullptr) return false;
  record.copy(room, record.size());
  RecordRing::Commit(room, record.size());
  return true;
}

std::optional<std::string> Take(RecordRing* ring) {
  const auto record = ring->Front();
  if (!record.has_value()) return std::nullopt;
  std::string taken(record->begin(), record->end());
  ring->Pop();
  return taken;
}

TEST(RecordRingTest, GivesRecordsOutInOrder) {
  RecordRing ring(4096);
  EXPECT_EQ(Take(&ring), std::nullopt);
  for (const char* record : {"one", "", "three"}) EXPECT_TRUE(Put(&ring, record));
  EXPECT_EQ(Take(&ring), "one");
  EXPECT_EQ(Take(&ring), "");
  EXPECT_EQ(Take(&ring), "three");
  EXPECT_EQ(Take(&ring), std::nullopt);
  EXPECT_EQ(ring.used_bytes(), 0U);
}

TEST(RecordRingTest, RefusesWhatDoesNotFitUntilSomethingWasTaken) {
  RecordRing ring(4096);
  const std::string record(1000, 'r');
  int put = 0;
  while (Put(&ring, record)) ++put;
  EXPECT_EQ(put, 4);
  EXPECT_EQ(Take(&ring), record);
  EXPECT_TRUE(Put(&ring, record));
  EXPECT_FALSE(Put(&ring, record));
}

TEST(RecordRingTest, TakesRecordsOfUpToHalfOfItWhereverItStands) {
  RecordRing ring(4096);
  EXPECT_FALSE(Put(&ring, std::string(ring.max_record_bytes() + 1, 'x')));
  for (size_t before = 0; before < 4096; before += 64) {
    ASSERT_TRUE(Put(&ring, std::string(56, 'b')));
    ASSERT_TRUE(Take(&ring).has_value());
    const std::string largest(ring.max_record_bytes(), 'x');
    ASSERT_TRUE(Put(&ring, largest)) << before;
    ASSERT_EQ(Take(&ring), largest);
  }
}

TEST(RecordRingTest, ARecordThatIsNotCommittedHoldsBackThoseBehindIt) {
  RecordRing ring(4096);
  char* const first = ring.Reserve(5);
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(Put(&ring, "second"));
  EXPECT_EQ(Take(&ring), std::nullopt);
  std::memcpy(first, "first", 5);
  RecordRing::Commit(first, 5);
  EXPECT_EQ(Take(&ring), "first");
  EXPECT_EQ(Take(&ring), "second");
}

// Records hold every byte there is: none is taken for a header when the ring comes round.
TEST(RecordRingTest, KeepsEveryByteOfRecordsOfAllSizes) {
  std::mt19937_64 random(7);
  RecordRing ring(8192);
  std::deque<std::string> expected;
  for (int i = 0; i < 20000; ++i) {
    std::string record(random() % 700, '\0');
    for (char& c : record) c = static_cast<char>(random() % 2 == 0 ? 0xff : random());
    if (Put(&ring, record)) expected.push_back(record);
    if (random() % 2 == 0) continue;
    ASSERT_EQ(Take(&ring).value_or("none"), expected.empty() ? "none" : expected.front()) << i;
    if (!expected.empty()) expected.pop_front();
  }
}

// One thread takes out what several put in, which must not wait for it.
TEST(RecordRingTest, KeepsTheOrderOfEachOfSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr uint32_t kRecords = 20000;
  RecordRing ring(size_t{64} << 10);
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  std::array<uint32_t, kThreads> put = {};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < kRecords; ++i) {
        const std::string record = std::to_string(t) + ":" + std::to_string(i) + ":" +
                                   std::string(i % 300, static_cast<char>('a' + t));
        put[static_cast<size_t>(t)] += Put(&ring, record) ? 1 : 0;
      }
      --running;
    });
  }
  std::array<uint32_t, kThreads> taken = {};
  std::array<int64_t, kThreads> last = {-1, -1, -1, -1};
  for (bool more = true; more;) {
    more = running.load() > 0;
    while (const auto record = Take(&ring)) {
      const auto t = static_cast<size_t>((*record)[0] - '0');
      const int64_t i = std::stoll(record->substr(2));
      ASSERT_GT(i, last[t]);
      ASSERT_EQ(std::count(record->begin(), record->end(), static_cast<char>('a' + t)), i % 300);
      last[t] = i;
      ++taken[t];
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, put);
  EXPECT_GT(std::accumulate(taken.begin(), taken.end(), 0U), 0U);
}

}  // namespace
}  // namespace fmserve::server
