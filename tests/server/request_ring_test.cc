#include "server/request_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace fmserve::server {
namespace {

using std::chrono::milliseconds;

constexpr RequestRing::Clock::time_point kStart{std::chrono::hours(1)};

std::vector<std::string> Texts(const RequestRing& ring) {
  std::vector<std::string> texts;
  for (const auto& request : ring.Requests()) texts.push_back(*request);
  return texts;
}

TEST(RequestRing, SamplesOneInSoManyRequests) {
  RequestRing ring({.sample_one_in = 4, .max_per_second = 1000.0});
  int sampled = 0;
  for (int i = 0; i < 100; ++i) sampled += ring.Samples(kStart + milliseconds(i), 10) ? 1 : 0;
  EXPECT_EQ(sampled, 25);
}

TEST(RequestRing, SamplesAtMostSoManyASecondSoThatItSpansSomeTime) {
  RequestRing ring({.sample_one_in = 1, .max_per_second = 10.0});
  int sampled = 0;
  for (int i = 0; i < 2000; ++i) sampled += ring.Samples(kStart + milliseconds(i), 10) ? 1 : 0;
  EXPECT_EQ(sampled, 20);
}

TEST(RequestRing, KeepsTheLatestWithinItsMemory) {
  RequestRing ring({.max_bytes = 10});
  for (const char* const text : {"aaaa", "bbbb", "cc", "dddd"}) ring.Put(text);
  EXPECT_THAT(Texts(ring), testing::ElementsAre("bbbb", "cc", "dddd"));
  EXPECT_EQ(ring.bytes(), 10U);
  EXPECT_EQ(ring.size(), 3U);
}

TEST(RequestRing, KeepsNoMoreThanSoManyHoweverSmall) {
  RequestRing ring({.max_requests = 2});
  for (const char* const text : {"a", "b", "c"}) ring.Put(text);
  EXPECT_THAT(Texts(ring), testing::ElementsAre("b", "c"));
}

TEST(RequestRing, TellsWhichCameLater) {
  RequestRing ring({.max_requests = 3});
  ring.Put("a");
  ring.Put("b");
  const uint64_t then = ring.last();
  EXPECT_EQ(ring.size(then), 0U);
  EXPECT_TRUE(ring.Requests(then).empty());
  ring.Put("c");
  EXPECT_EQ(*ring.Requests(then).at(0), "c");
  EXPECT_EQ(ring.size(then), 1U);
  for (const char* const text : {"d", "e", "f"}) ring.Put(text);
  EXPECT_EQ(ring.size(then), 3U) << "c is gone";
  EXPECT_EQ(ring.Requests(then).size(), 3U);
}

TEST(RequestRing, LeavesLargeRequestsOutAndCountsThem) {
  RequestRing ring({.sample_one_in = 1, .max_per_second = 1000.0, .max_request_bytes = 100});
  EXPECT_FALSE(ring.Samples(kStart, 101));
  EXPECT_TRUE(ring.Samples(kStart + milliseconds(10), 100));
  EXPECT_EQ(ring.dropped_count(), 1U);
}

TEST(RequestRing, WhatWasReadStaysWhenItIsReplaced) {
  RequestRing ring({.max_requests = 1});
  ring.Put("old");
  const auto before = ring.Requests();
  ring.Put("new");
  EXPECT_EQ(*before[0], "old");
}

TEST(RequestRing, IsSafeFromManyThreadsAndLosesNothingUncounted) {
  RequestRing ring({.sample_one_in = 1, .max_per_second = 1e6});
  std::atomic<uint64_t> put{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        ring.Put("request");
        ++put;
        if (i % 100 == 0) {
          EXPECT_LE(ring.Requests().size(), 10'000U);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ring.size() + ring.dropped_count(), put);
}

}  // namespace
}  // namespace fmserve::server
