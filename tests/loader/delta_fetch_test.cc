// What BuildFromDelta takes of network and disk; what it builds is for loader_delta_test.
#include "loader/delta_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class BuildFromDeltaTest : public ::testing::Test {
 protected:
  BuildFromDeltaTest() {
    first_ = store_.Publish({.w0 = 1.0, .rows_count = 2000});
    job_.manifest = store_.Publish({.w0 = 2.0, .rows_count = 2000});
    EXPECT_EQ(job_.manifest.deltas.size(), 1U);
    absl::StatusOr<Cache> cache = Cache::Open(store_.cache());
    EXPECT_TRUE(cache.ok()) << cache.status();
    cache_.emplace(*std::move(cache));
    auto base = model::WeightFile::Open(store_.WeightPath(1));
    EXPECT_TRUE(base.ok()) << base.status();
    base_ = *std::move(base);
  }
  DeltaBuild Build() {
    return BuildFromDelta(source_, *cache_, job_, {.file = base_.get(), .sha256 = first_.sha256},
                          model::NeverStop);
  }
  const ManifestDelta& delta() const { return job_.manifest.deltas[0]; }

  TestStore store_;
  Manifest first_;
  FetchJob job_;
  std::optional<Cache> cache_;
  std::shared_ptr<const model::WeightFile> base_;
  std::shared_ptr<SourceScript> script_ = std::make_shared<SourceScript>();
  ScriptedSource source_{store_.MakeSource(), script_};
};

TEST_F(BuildFromDeltaTest, KeepsToTheLimitOfBytesPerSecond) {
  job_.bytes_per_s = 5 * delta().size_bytes;
  const Clock::time_point begin = Clock::now();
  EXPECT_EQ(Build().report.outcome, DeltaOutcome::kApplied);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(195));
}

TEST_F(BuildFromDeltaTest, SaysBeforeTheFirstByteThatThereIsNoRoomForTheResult) {
  job_.manifest.size_bytes = uint64_t{1} << 60;
  const DeltaBuild build = Build();
  EXPECT_EQ(build.report.outcome, DeltaOutcome::kFetchFailed);
  EXPECT_THAT(build.report.detail,
              HasSubstr(store_.cache() + ": building version 2 from a delta needs 11529215"));
  EXPECT_EQ(script_->deltas_count, 0);
}

TEST_F(BuildFromDeltaTest, SaysBeforeTheFirstByteThatThereIsNoRoomForTheDelta) {
  job_.manifest.deltas[0].size_bytes = ~uint64_t{0};
  EXPECT_EQ(Build().report.outcome, DeltaOutcome::kFetchFailed);
  EXPECT_EQ(script_->deltas_count, 0);
}

TEST_F(BuildFromDeltaTest, WhatAFetchLeftIsOfNoUseAnyMore) {
  const std::string partial = cache_->PartialPath(Artifact::kWeights, job_.manifest, "fingerprint");
  WriteFile(partial, "the beginning of it");
  script_->failing_deltas = 1;
  EXPECT_EQ(Build().report.outcome, DeltaOutcome::kFetchFailed);
  EXPECT_EQ(ReadFile(partial), "the beginning of it") << "the whole file goes on with it";
  EXPECT_EQ(Build().report.outcome, DeltaOutcome::kApplied);
  EXPECT_THAT(ListFolder(store_.cache()), ElementsAre(".lock"));
}

}  // namespace
}  // namespace fmserve::loader
