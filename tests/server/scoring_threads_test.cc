#include "server/scoring_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

namespace fmserve::server {
namespace {

using std::chrono::seconds;

PendingCall Numbered(int number) { return {.arrival = Clock::TimePoint(seconds(number))}; }

int NumberOf(const PendingCall& call) {
  return static_cast<int>(call.arrival.time_since_epoch() / seconds(1));
}

TEST(ScoringThreadsTest, CallIsAnsweredInPlaceWhileThereIsAPlace) {
  std::thread::id answered_by;
  ScoringThreads threads({.threads = 1, .most_in_place = 1, .most_waiting = 1},
                         [&](const PendingCall&) { answered_by = std::this_thread::get_id(); });
  for (int i = 0; i < 3; ++i) {
    answered_by = {};
    threads.Run({});
    EXPECT_EQ(answered_by, std::this_thread::get_id());
  }
}

TEST(ScoringThreadsTest, CallThatFindsThePlacesTakenDoesNotHoldUpWhoBringsIt) {
  std::latch second_answered(1);
  std::latch first_answered(1);
  ScoringThreads threads({.threads = 1, .most_in_place = 1, .most_waiting = 1},
                         [&](const PendingCall& call) {
                           if (NumberOf(call) == 1) {
                             second_answered.wait();
                             first_answered.count_down();
                           } else {
                             second_answered.count_down();
                           }
                         });
  std::atomic<bool> began = false;
  const std::jthread first([&] {
    began = true;
    threads.Run(Numbered(1));
  });
  while (!began) std::this_thread::yield();
  threads.Run(Numbered(2));
  first_answered.wait();
}

TEST(ScoringThreadsTest, CallsThatWaitAreAnsweredInTheirOrder) {
  constexpr int kCalls = 100;
  std::latch may_begin(1);
  std::vector<int> order;
  {
    ScoringThreads threads({.threads = 1, .most_in_place = 0, .most_waiting = kCalls},
                           [&](const PendingCall& call) {
                             may_begin.wait();
                             order.push_back(NumberOf(call));
                           });
    for (int i = 0; i < kCalls; ++i) threads.Run(Numbered(i));
    may_begin.count_down();
  }
  ASSERT_EQ(order.size(), static_cast<size_t>(kCalls));
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(ScoringThreadsTest, EveryCallOfManyThreadsIsAnsweredOnce) {
  constexpr int kBringers = 4;
  constexpr int kCallsEach = 5000;
  std::vector<std::atomic<int>> answers(kBringers * kCallsEach);
  {
    ScoringThreads threads(
        {.threads = 2, .most_in_place = 2, .most_waiting = kBringers * kCallsEach},
        [&](const PendingCall& call) { ++answers[static_cast<size_t>(NumberOf(call))]; });
    std::vector<std::jthread> bringers;
    for (int b = 0; b < kBringers; ++b) {
      bringers.emplace_back([&threads, b] {
        for (int i = 0; i < kCallsEach; ++i) threads.Run(Numbered(b * kCallsEach + i));
      });
    }
  }
  for (const auto& count : answers) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace fmserve::server
