#include "server/concurrency_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace fmserve::server {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kBudget = milliseconds(20);
constexpr size_t kThreads = 2;

struct Phase {
  int sent = 0;
  int refused = 0;
  int in_time = 0;
  std::vector<nanoseconds> latencies = {};  // of the admitted

  nanoseconds P99() {
    std::sort(latencies.begin(), latencies.end());
    return latencies.at(latencies.size() * 99 / 100);
  }
};

// A server with threads, a queue and the limiter at its door, and clients that send at random
// moments whatever it does. Time is simulated.
class Simulation {
 public:
  // Requests take `cost` on average, half to one and a half.
  explicit Simulation(nanoseconds cost, const LimiterOptions& options = {.threads = kThreads})
      : options_(options), cost_(cost), limiter_(options) {}

  void SetCost(nanoseconds cost) { cost_ = cost; }

  // Sends requests during `duration` at `load` times what the threads can do. What becomes of them
  // is noted in `phase`, which must outlive the last Run.
  void Run(double load, nanoseconds duration, Phase* phase) {
    const Clock::TimePoint end = now_ + duration;
    const double per_ns =
        load * static_cast<double>(options_.threads) / static_cast<double>(cost_.count());
    std::exponential_distribution<double> gap(per_ns);
    for (auto arrival = now_; (arrival += nanoseconds(static_cast<int64_t>(gap(random_)))) < end;) {
      FinishUntil(arrival);
      Arrive(arrival, phase);
    }
    FinishUntil(end);
    now_ = end;
  }

  // All threads stand still, as when a machine's host gives its processors to others. Requests come
  // in all the same.
  void StandStill(double load, nanoseconds duration, Phase* phase) {
    std::priority_queue<Running> later;
    for (; !running_.empty(); running_.pop()) {
      Running running = running_.top();
      running.finished.ended += duration;
      later.push(running);
    }
    while (later.size() < options_.threads) {
      ++phase->sent;
      EXPECT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
      later.push({{now_, now_, now_ + duration, kBudget, 0}, phase});
    }
    running_ = std::move(later);
    Run(load, duration, phase);
  }

  // What the threads can do in this time.
  double Capacity(nanoseconds duration) const {
    return static_cast<double>(options_.threads) * static_cast<double>(duration.count()) /
           static_cast<double>(cost_.count());
  }

  const ConcurrencyLimiter& limiter() const { return limiter_; }

 private:
  struct Request {
    Clock::TimePoint arrival;
    Phase* phase = nullptr;
  };
  struct Running {
    FinishedRequest finished;
    Phase* phase = nullptr;
    bool operator<(const Running& other) const { return finished.ended > other.finished.ended; }
  };

  void Arrive(Clock::TimePoint now, Phase* phase) {
    ++phase->sent;
    if (limiter_.Admit(kBudget, 0) != Admission::kAdmitted) {
      ++phase->refused;
    } else if (running_.size() < options_.threads) {
      Start({now, phase}, now);
    } else {
      waiting_.push_back({now, phase});
    }
  }

  void Start(const Request& request, Clock::TimePoint now) {
    const nanoseconds work = now - request.arrival >= kBudget
                                 ? nanoseconds(0)  // dropped
                                 : nanoseconds(static_cast<int64_t>(
                                       static_cast<double>(cost_.count()) * spread_(random_)));
    running_.push({{request.arrival, now, now + work, kBudget, 0}, request.phase});
  }

  void FinishUntil(Clock::TimePoint time) {
    while (!running_.empty() && running_.top().finished.ended <= time) {
      const Running done = running_.top();
      running_.pop();
      limiter_.Finish(done.finished);
      const nanoseconds latency = done.finished.ended - done.finished.arrival;
      done.phase->latencies.push_back(latency);
      if (latency < kBudget) ++done.phase->in_time;
      if (waiting_.empty()) continue;
      Start(waiting_.front(), done.finished.ended);
      waiting_.pop_front();
    }
  }

  const LimiterOptions options_;
  nanoseconds cost_;
  ConcurrencyLimiter limiter_;
  Clock::TimePoint now_{seconds(1)};
  std::deque<Request> waiting_;
  std::priority_queue<Running> running_;
  std::mt19937_64 random_{1};
  std::uniform_real_distribution<double> spread_{0.5, 1.5};
};

// By cost of a request.
class LimiterUnderLoadTest : public testing::TestWithParam<nanoseconds> {
 protected:
  Simulation simulation_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Costs, LimiterUnderLoadTest,
                         testing::Values(microseconds(100), milliseconds(1), milliseconds(4)),
                         [](const auto& test) {
                           return std::to_string(test.param / microseconds(1)) + "us";
                         });

TEST_P(LimiterUnderLoadTest, HalfTheLoadIsAnsweredWithHardlyARefusal) {
  Phase half;
  simulation_.Run(0.5, seconds(5), &half);
  EXPECT_LE(half.refused, half.sent / 100);
  EXPECT_LT(half.P99(), kBudget);
}

TEST_P(LimiterUnderLoadTest, ThreeTimesTheLoadKeepsTheGoodputAndTheAdmittedAreInTime) {
  Phase full;
  Phase triple;
  Phase after;
  simulation_.Run(1.0, seconds(2), &full);
  simulation_.Run(3.0, seconds(5), &triple);
  simulation_.Run(0.5, seconds(1), &after);
  EXPECT_GT(triple.in_time, 0.97 * simulation_.Capacity(seconds(5)));
  EXPECT_GT(triple.in_time / 5.0, full.in_time / 2.0);
  EXPECT_LT(triple.P99(), kBudget);
}

TEST_P(LimiterUnderLoadTest, QueueOfAShortStandstillDrainsAndNobodyIsRefusedForIt) {
  Phase phase;
  simulation_.Run(0.5, seconds(1), &phase);
  const size_t limit = simulation_.limiter().limit();
  for (int i = 0; i < 20; ++i) {
    simulation_.StandStill(0.5, milliseconds(8), &phase);
    simulation_.Run(0.5, milliseconds(200), &phase);
  }
  EXPECT_EQ(simulation_.limiter().limit(), limit);
  EXPECT_LE(phase.refused, phase.sent / 1000);
}

TEST_P(LimiterUnderLoadTest, RecoversWithinATenthOfASecondWhenTheLoadFalls) {
  Phase triple;
  Phase falling;
  Phase after;
  simulation_.Run(3.0, seconds(5), &triple);
  simulation_.Run(0.5, milliseconds(100), &falling);
  simulation_.Run(0.5, seconds(1), &after);
  EXPECT_LE(after.refused, after.sent / 100);
  EXPECT_LT(after.P99(), kBudget);
}

TEST_P(LimiterUnderLoadTest, FollowsRequestsThatBecomeTenTimesAsExpensiveAndCheapAgain) {
  Phase cheap;
  Phase change;
  Phase expensive;
  Phase change_back;
  Phase cheap_again;
  simulation_.SetCost(GetParam() / 10);
  simulation_.Run(3.0, seconds(2), &cheap);
  simulation_.SetCost(GetParam());
  simulation_.Run(3.0, milliseconds(300), &change);
  simulation_.Run(3.0, seconds(2), &expensive);
  EXPECT_GT(expensive.in_time, 0.95 * simulation_.Capacity(seconds(2)));
  EXPECT_LT(expensive.P99(), kBudget);
  simulation_.SetCost(GetParam() / 10);
  simulation_.Run(3.0, milliseconds(300), &change_back);
  simulation_.Run(3.0, seconds(2), &cheap_again);
  EXPECT_GT(cheap_again.in_time, 0.95 * simulation_.Capacity(seconds(2)));
  EXPECT_LT(cheap_again.P99(), kBudget);
}

class LimiterTest : public testing::Test {
 protected:
  // An admitted request that waited and worked so long, and ended after all the others.
  void Finish(nanoseconds wait, nanoseconds work) {
    const Clock::TimePoint arrival = now_;
    now_ += wait + work;
    limiter_.Finish({arrival, arrival + wait, now_, kBudget, 0});
  }
  void AdmitAndFinish(nanoseconds wait, nanoseconds work) {
    EXPECT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
    Finish(wait, work);
  }

  ConcurrencyLimiter limiter_{{.threads = kThreads, .max_in_flight = 100}};
  Clock::TimePoint now_{seconds(1)};
};

TEST_F(LimiterTest, RefusedRequestsAreNotInFlight) {
  while (limiter_.Admit(kBudget, 0) == Admission::kAdmitted) {
  }
  EXPECT_EQ(limiter_.in_flight(), limiter_.limit());
  EXPECT_EQ(limiter_.Admit(kBudget, 0), Admission::kOverLimit);
  EXPECT_EQ(limiter_.in_flight(), limiter_.limit());
  Finish({}, {});
  EXPECT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
}

TEST_F(LimiterTest, LongWaitsLowerTheLimitToOneRequestPerThreadAndNoFurther) {
  for (int i = 0; i < 100; ++i) AdmitAndFinish(kBudget, milliseconds(1));
  EXPECT_EQ(limiter_.limit(), kThreads);
}

TEST_F(LimiterTest, LongWorkWithoutWaitingDoesNotLowerIt) {
  const size_t before = limiter_.limit();
  for (int i = 0; i < 100; ++i) AdmitAndFinish({}, 2 * kBudget);
  EXPECT_EQ(limiter_.limit(), before);
}

TEST_F(LimiterTest, QueueThatStandsLowersItToAPartOfThoseUnderWay) {
  for (int i = 0; i < 40; ++i) ASSERT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
  for (int i = 0; i < 10; ++i) Finish(kBudget, {});
  EXPECT_LT(limiter_.limit(), 20U);
}

TEST_F(LimiterTest, OneWhoDidNotWaitShowsThatTheQueueDoesNotStand) {
  for (int i = 0; i < 40; ++i) ASSERT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
  for (int i = 0; i < 40; ++i) Finish(i % 2 == 0 ? nanoseconds(0) : kBudget, {});
  EXPECT_EQ(limiter_.limit(), 100U);
}

TEST_F(LimiterTest, LongWaitsWithLongPausesBetweenThemAreNoQueue) {
  for (int i = 0; i < 10; ++i) {
    AdmitAndFinish(kBudget, {});
    now_ += seconds(1);
  }
  EXPECT_EQ(limiter_.limit(), 100U);
}

TEST_F(LimiterTest, BeginsAtItsMaximumAndGrowsBackToIt) {
  EXPECT_EQ(limiter_.limit(), 100U);
  for (int i = 0; i < 100; ++i) AdmitAndFinish(kBudget, {});
  for (int i = 0; i < 10'000; ++i) AdmitAndFinish({}, microseconds(100));
  EXPECT_EQ(limiter_.limit(), 100U);
}

TEST_F(LimiterTest, OneTooLongWaitAmongShortOnesLeavesRoomForABurst) {
  for (int i = 0; i < 100; ++i) AdmitAndFinish(kBudget, {});
  for (int i = 0; i < 500; ++i) AdmitAndFinish({}, microseconds(100));
  EXPECT_GT(limiter_.limit(), 30U);
}

TEST_F(LimiterTest, RequestsOfTooManyBytesAreRefusedUntilOneEnds) {
  ConcurrencyLimiter limiter({.threads = 1, .max_in_flight = 100, .max_bytes_in_flight = 10});
  EXPECT_EQ(limiter.Admit(kBudget, 6), Admission::kAdmitted);
  EXPECT_EQ(limiter.Admit(kBudget, 5), Admission::kOverLimit);
  EXPECT_EQ(limiter.Admit(kBudget, 4), Admission::kAdmitted);
  EXPECT_EQ(limiter.in_flight(), 2U);
  limiter.Finish({now_, now_, now_, kBudget, 6});
  EXPECT_EQ(limiter.Admit(kBudget, 5), Admission::kAdmitted);
}

TEST_F(LimiterTest, RequestLargerThanTheLimitOfBytesIsLetInAlone) {
  ConcurrencyLimiter limiter({.threads = 1, .max_in_flight = 100, .max_bytes_in_flight = 10});
  EXPECT_EQ(limiter.Admit(kBudget, 11), Admission::kAdmitted);
  EXPECT_EQ(limiter.Admit(kBudget, 1), Admission::kOverLimit);
  limiter.Finish({now_, now_, now_, kBudget, 11});
  EXPECT_EQ(limiter.Admit(kBudget, 11), Admission::kAdmitted);
}

TEST_F(LimiterTest, RequestWhoseTimeThoseBeforeItTakeIsTooLate) {
  AdmitAndFinish({}, milliseconds(4));
  for (int i = 0; i < 6; ++i) ASSERT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
  // Four wait, for two threads that take 4 ms each.
  EXPECT_EQ(limiter_.Admit(milliseconds(10), 0), Admission::kTooLate);
  EXPECT_EQ(limiter_.Admit(milliseconds(11), 0), Admission::kAdmitted);
}

TEST_F(LimiterTest, OneRequestThatWasPutAsideForLongMakesNobodyTooLate) {
  for (int i = 0; i < 100; ++i) AdmitAndFinish({}, microseconds(100));
  AdmitAndFinish({}, milliseconds(500));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(limiter_.Admit(kBudget, 0), Admission::kAdmitted);
}

TEST_F(LimiterTest, RequestWithoutTimeIsTooLateAlsoWhenNothingIsUnderWay) {
  EXPECT_EQ(limiter_.Admit(nanoseconds(0), 0), Admission::kTooLate);
  EXPECT_EQ(limiter_.Admit(milliseconds(-1), 0), Admission::kTooLate);
  EXPECT_EQ(limiter_.in_flight(), 0U);
}

TEST(FixedLimiterTest, StaysWhereItWasSet) {
  ConcurrencyLimiter limiter({.threads = 1, .max_in_flight = 3, .adaptive = false});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.Admit(kBudget, 0), Admission::kAdmitted);
  EXPECT_EQ(limiter.Admit(kBudget, 0), Admission::kOverLimit);
  for (int i = 0; i < 3; ++i) {
    const Clock::TimePoint arrival(seconds(i + 1));
    limiter.Finish({arrival, arrival + kBudget, arrival + kBudget, kBudget, 0});
  }
  EXPECT_EQ(limiter.limit(), 3U);
}

}  // namespace
}  // namespace fmserve::server
