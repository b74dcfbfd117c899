#include "trainer/search/search.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace fmserve::trainer {
namespace {

// Trials of a made-up loss; some take longer than others.
TrialResult Outcome(const TrialJob& job) {
  const double loss = static_cast<double>((job.trial * 7919) % 101) / (job.rung + 1.0);
  const bool diverged = job.trial % 13 == 5;
  return {.job = job,
          .epochs = job.rung + 1,
          .best_epoch = 1,
          .metric = diverged ? std::nullopt : std::optional(loss)};
}

struct Recorder {
  std::mutex mutex;
  std::set<std::pair<uint32_t, uint32_t>> ran;

  absl::StatusOr<TrialResult> Run(const TrialJob& job) {
    std::this_thread::sleep_for(std::chrono::microseconds((job.trial * 31 + job.rung * 17) % 400));
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(ran.insert({job.trial, job.rung}).second) << "a job ran twice";
    return Outcome(job);
  }
};

SearchOptions Options(uint32_t workers) {
  return {.trials = 60, .rungs = 3, .reduction = 3, .workers = workers, .window = 8};
}

absl::StatusOr<std::vector<TrialResult>> SearchWith(
    const SearchOptions& options, Recorder& recorder,
    const std::map<std::pair<uint32_t, uint32_t>, TrialResult>& known = {}) {
  return RunSearch(options, {.known = [&](const TrialJob& job) -> std::optional<TrialResult> {
                               const auto it = known.find({job.trial, job.rung});
                               return it == known.end() ? std::nullopt : std::optional(it->second);
                             },
                             .run = [&](const TrialJob& job) { return recorder.Run(job); },
                             .finished = [](const TrialResult&) { return absl::OkStatus(); }});
}

TEST(SearchTest, FindsTheSameWhateverTheNumberOfWorkersAndWhoeverFinishesFirst) {
  Recorder alone;
  const auto expected = SearchWith(Options(1), alone);
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_GT(expected->size(), 80U) << "no trial was promoted";
  for (const uint32_t workers : {2U, 4U, 8U}) {
    Recorder recorder;
    const auto found = SearchWith(Options(workers), recorder);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, *expected) << workers << " workers";
  }
}

TEST(SearchTest, GoesOnFromAnySubsetOfItsResultsAndRunsOnlyTheOthers) {
  Recorder whole;
  const auto expected = SearchWith(Options(2), whole);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (const size_t share : {2, 3, 7}) {
    std::map<std::pair<uint32_t, uint32_t>, TrialResult> known;
    for (size_t i = 0; i < expected->size(); ++i) {
      const TrialJob& job = (*expected)[i].job;
      if (i % share != 0) known[{job.trial, job.rung}] = (*expected)[i];
    }
    Recorder rest;
    const auto found = SearchWith(Options(3), rest, known);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, *expected);
    EXPECT_EQ(rest.ran.size(), expected->size() - known.size());
  }
}

TEST(SearchTest, ALargerMetricMayBeTheBetterOne) {
  Recorder recorder;
  SearchOptions options = Options(2);
  options.larger_is_better = true;
  const auto found = SearchWith(options, recorder);
  ASSERT_TRUE(found.ok()) << found.status();
  double promoted = 0.0, all = 0.0;
  size_t promotions = 0, trials = 0;
  for (const TrialResult& result : *found) {
    const double loss = static_cast<double>((result.job.trial * 7919) % 101);
    (result.job.rung > 0 ? promoted : all) += loss;
    ++(result.job.rung > 0 ? promotions : trials);
  }
  EXPECT_GT(promoted / static_cast<double>(promotions), 1.3 * all / static_cast<double>(trials));
}

TEST(SearchTest, EndsWithTheFirstError) {
  std::atomic<int> runs = 0;
  const auto found =
      RunSearch(Options(2), {.known = [](const TrialJob&) { return std::optional<TrialResult>(); },
                             .run = [&](const TrialJob& job) -> absl::StatusOr<TrialResult> {
                               if (++runs > 5) return absl::ResourceExhaustedError("disk full");
                               return Outcome(job);
                             },
                             .finished = [](const TrialResult&) { return absl::OkStatus(); }});
  EXPECT_EQ(found.status(), absl::ResourceExhaustedError("disk full"));
  EXPECT_LE(runs, 7);
}

TEST(SearchTest, AResultThatCannotBeKeptIsAnError) {
  const auto found = RunSearch(
      Options(2),
      {.known = [](const TrialJob&) { return std::optional<TrialResult>(); },
       .run = [](const TrialJob& job) -> absl::StatusOr<TrialResult> { return Outcome(job); },
       .finished = [](const TrialResult&) { return absl::UnavailableError("no journal"); }});
  EXPECT_EQ(found.status(), absl::UnavailableError("no journal"));
}

}  // namespace
}  // namespace fmserve::trainer
