#include "loader/ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;
using ::testing::UnorderedElementsAre;

class RangesTest : public ::testing::Test {
 protected:
  // Serves content_ until a test says otherwise.
  absl::Status Get(uint64_t first, uint64_t size, const ByteSink& sink) {
    {
      const std::lock_guard lock(mutex_);
      asked_.emplace_back(first, size);
    }
    const std::string bytes = content_.substr(first, size);
    return sink(std::as_bytes(std::span(bytes)));
  }
  absl::Status Run(const GetRange& get, uint64_t begin = 0) {
    return FetchInRanges(
        begin, content_.size(), options_, get, [this] { return cancelled_.load(); },
        [this](std::span<const std::byte> bytes) {
          taken_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return sink_status_;
        });
  }
  GetRange Plainly() {
    return [this](uint64_t first, uint64_t size, const std::stop_token&, const ByteSink& sink) {
      return Get(first, size, sink);
    };
  }

  const std::string content_ = "0123456789abcdefghijklmnopqrstuvwxyz";
  RangeOptions options_{.range_bytes = 10, .parallel = 3, .first_delay = milliseconds(1)};
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, uint64_t>> asked_;
  std::string taken_;
  absl::Status sink_status_;
  std::atomic<bool> cancelled_ = false;
};

TEST_F(RangesTest, BringsAllInOrder) {
  ASSERT_TRUE(Run(Plainly()).ok());
  EXPECT_EQ(taken_, content_);
  EXPECT_THAT(asked_, UnorderedElementsAre(std::pair(0, 10), std::pair(10, 10), std::pair(20, 10),
                                           std::pair(30, 6)));
}

TEST_F(RangesTest, BeginsWhereItIsTold) {
  ASSERT_TRUE(Run(Plainly(), 25).ok());
  EXPECT_EQ(taken_, content_.substr(25));
  taken_.clear();
  ASSERT_TRUE(Run(Plainly(), content_.size()).ok());
  EXPECT_EQ(taken_, "");
}

TEST_F(RangesTest, FetchesSeveralAtOnceButNotMoreThanItHasMemoryFor) {
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  std::atomic<bool> enough = false;
  const absl::Status status =
      Run([&](uint64_t first, uint64_t size, const std::stop_token&, const ByteSink& sink) {
        most = std::max(most.load(), ++at_once);
        if (most >= 3) enough = true;
        Eventually([&] { return enough.load(); });
        --at_once;
        return Get(first, size, sink);
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(most, 3);
  EXPECT_EQ(taken_, content_);
}

TEST_F(RangesTest, ASlowFirstRangeHoldsUpTheOthersBehindIt) {
  std::atomic<int> begun = 0;
  const absl::Status status =
      Run([&](uint64_t first, uint64_t size, const std::stop_token&, const ByteSink& sink) {
        ++begun;
        if (first == 0) {
          EXPECT_TRUE(Eventually([&] { return begun == 3; }));
          std::this_thread::sleep_for(milliseconds(30));
          EXPECT_EQ(begun, 3) << "the fourth would need memory of its own";
        }
        return Get(first, size, sink);
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(taken_, content_);
}

TEST_F(RangesTest, ARangeThatBreaksOffGoesOnWhereItWas) {
  options_.parallel = 1;
  const absl::Status status =
      Run([&](uint64_t first, uint64_t size, const std::stop_token&, const ByteSink& sink) {
        const absl::Status got = Get(first, std::min<uint64_t>(size, 4), sink);
        return size <= 4 || !got.ok() ? got : absl::UnavailableError("broke");
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(taken_, content_);
  EXPECT_EQ(asked_[1].first, 4U);
}

TEST_F(RangesTest, GivesUpARangeThatGetsNoFurther) {
  std::atomic<int> attempts = 0;
  const absl::Status status =
      Run([&](uint64_t first, uint64_t size, const std::stop_token&, const ByteSink& sink) {
        if (first != 10) return Get(first, size, sink);
        ++attempts;
        return absl::UnavailableError("the store is away");
      });
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(attempts, options_.attempts);
  EXPECT_EQ(taken_, content_.substr(0, 10)) << "what came before it was delivered";
}

TEST_F(RangesTest, DoesNotTryAgainWhatIsNoPassingFailure) {
  std::atomic<int> attempts = 0;
  const absl::Status status = Run([&](uint64_t, uint64_t, const std::stop_token&, const ByteSink&) {
    ++attempts;
    return absl::PermissionDeniedError("no");
  });
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_LE(attempts, options_.parallel);
}

TEST_F(RangesTest, RefusesMoreThanItAskedFor) {
  const absl::Status status =
      Run([&](uint64_t, uint64_t, const std::stop_token&, const ByteSink& sink) {
        return sink(std::as_bytes(std::span(content_)));
      });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(taken_, "");
}

TEST_F(RangesTest, AnErrorOfTheSinkEndsIt) {
  sink_status_ = absl::ResourceExhaustedError("disk full");
  EXPECT_TRUE(absl::IsResourceExhausted(Run(Plainly())));
  EXPECT_EQ(taken_, content_.substr(0, 10));
}

TEST_F(RangesTest, CancellingEndsWhatIsUnderway) {
  const absl::Status status =
      Run([&](uint64_t, uint64_t, const std::stop_token& stop, const ByteSink&) {
        cancelled_ = true;
        EXPECT_TRUE(Eventually([&] { return stop.stop_requested(); }));
        return absl::CancelledError("stopped");
      });
  EXPECT_TRUE(absl::IsCancelled(status));
}

}  // namespace
}  // namespace fmserve::loader
