#include "loader/low_priority_worker.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using Finish = LowPriorityWorker::Finish;

TEST(LowPriorityWorker, WorksAtLowPriorityAndFinishesWithItsOwner) {
  std::atomic<int> notified = 0;
  LowPriorityWorker worker([&] { ++notified; });
  int priority = 0;
  pid_t thread = 0;
  worker.Start([&](const std::stop_token&) -> Finish {
    priority = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
    return [&] { thread = gettid(); };
  });
  EXPECT_TRUE(worker.busy());
  ASSERT_TRUE(Eventually([&] { return notified == 1; }));
  EXPECT_TRUE(worker.busy());
  std::optional<Finish> finish = worker.TakeFinish();
  ASSERT_TRUE(finish.has_value());
  EXPECT_FALSE(worker.busy());
  EXPECT_FALSE(worker.TakeFinish().has_value());
  (*finish)();
  EXPECT_GT(priority, getpriority(PRIO_PROCESS, 0));
  EXPECT_EQ(thread, gettid());
}

TEST(LowPriorityWorker, CancelReachesTheWorkUnderwayAndNotTheNext) {
  std::atomic<int> notified = 0;
  LowPriorityWorker worker([&] { ++notified; });
  worker.Start([](const std::stop_token& stop) -> Finish {
    EXPECT_TRUE(Eventually([&] { return stop.stop_requested(); }));
    return [] {};
  });
  worker.Cancel();
  ASSERT_TRUE(Eventually([&] { return notified == 1; }));
  ASSERT_TRUE(worker.TakeFinish().has_value());
  std::atomic<bool> stopped = true;
  worker.Start([&](const std::stop_token& stop) -> Finish {
    stopped = stop.stop_requested();
    return [] {};
  });
  ASSERT_TRUE(Eventually([&] { return notified == 2; }));
  EXPECT_FALSE(stopped);
}

TEST(LowPriorityWorker, EndsInTheMiddleOfWork) {
  std::atomic<bool> begun = false;
  {
    LowPriorityWorker worker([] {});
    worker.Start([&](const std::stop_token& stop) -> Finish {
      begun = true;
      EXPECT_TRUE(Eventually([&] { return stop.stop_requested(); }));
      return [] { ADD_FAILURE() << "nobody is left to finish it"; };
    });
    ASSERT_TRUE(Eventually([&] { return begun.load(); }));
  }
}

}  // namespace
}  // namespace fmserve::loader
