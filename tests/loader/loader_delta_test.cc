// A server that has the base of a delta fetches that instead of the file; whatever is amiss, it
// fetches the whole file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loader/delta.h"
#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class LoaderDeltaTest : public LoaderFixture {
 protected:
  using Delta = SourceScript::Delta;
  static constexpr int kManyRows = 2000;  // for deltas to be worth it

  uint64_t PublishLarge() {
    const uint64_t version = ++published_;
    const Manifest manifest =
        store_.Publish({.w0 = static_cast<double>(version), .rows_count = kManyRows});
    EXPECT_EQ(manifest.deltas.size(), version == 1 ? 0U : 1U);
    return version;
  }
  void ServeLarge() {
    const uint64_t version = PublishLarge();
    ASSERT_TRUE(ComesToServe(*loader_, version)) << Status().last_error;
    ASSERT_EQ(EmptyScore(*Serving()), static_cast<float>(version));
    EXPECT_EQ(ReadFile(store_.CachePath(WeightFileName(version))),
              ReadFile(store_.WeightPath(version)));
  }
  uint64_t Count(DeltaOutcome outcome) const {
    return Status().delta_fetches[static_cast<size_t>(outcome)];
  }

  // Version 2 comes although its delta is of no use, by one fetch of the whole file.
  void ExpectFallback(DeltaOutcome outcome, const std::string& detail) {
    ServeLarge();
    EXPECT_EQ(script_->deltas_count, 1);
    EXPECT_EQ(script_->fetches_count, 2);
    EXPECT_EQ(Count(outcome), 1U);
    EXPECT_EQ(Count(DeltaOutcome::kApplied), 0U);
    ASSERT_TRUE(log_.WaitFor(Kind::kDeltaFailed, 2));
    for (const LoaderEvent& event : log_.events()) {
      if (event.kind != Kind::kDeltaFailed) continue;
      EXPECT_EQ(event.reason, Name(outcome));
      EXPECT_THAT(event.detail, HasSubstr(detail));
    }
    EXPECT_EQ(log_.Count(Kind::kDeltaFailed), 1);
    EXPECT_EQ(log_.Count(Kind::kRejected), 0);
  }

  // Names `bytes` as version 2, with a delta from version 1 that makes `made` of it.
  void PublishWithDeltaOf(const std::string& bytes, const std::string& made) {
    WriteFile(store_.ModelPath("made"), made);
    const auto delta = MakeDelta(store_.WeightPath(1), store_.ModelPath("made"),
                                 store_.ModelPath(DeltaFileName(1, 2)), model::NeverStop);
    ASSERT_TRUE(delta.ok()) << delta.status();
    WriteFile(store_.WeightPath(2), bytes);
    store_.PublishManifest({.model = kModel,
                            .version = 2,
                            .size_bytes = bytes.size(),
                            .sha256 = Sha256Hex(bytes),
                            .published_unix_us = 1'700'000'000'000'000,
                            .deltas = {{.base_version = 1,
                                        .base_sha256 = delta->base_sha256,
                                        .size_bytes = delta->size_bytes,
                                        .sha256 = delta->sha256,
                                        .file = DeltaFileName(1, 2)}}});
  }
};

TEST_F(LoaderDeltaTest, BuildsAVersionFromTheDeltaOfWhatServes) {
  Start();
  ServeLarge();
  ServeLarge();
  ServeLarge();
  EXPECT_EQ(script_->fetches_count, 1) << "only the first is fetched whole";
  EXPECT_EQ(script_->deltas_count, 2);
  EXPECT_EQ(Count(DeltaOutcome::kApplied), 2U);
  EXPECT_EQ(log_.Count(Kind::kDeltaFailed), 0);
  EXPECT_TRUE(Eventually([&] {
    return ListFolder(store_.cache()) ==
           std::vector<std::string>{".lock",           WeightFileName(1), WeightFileName(2),
                                    WeightFileName(3), "history.jsonl",   "state.json"};
  })) << "deltas do not stay in the cache";
}

TEST_F(LoaderDeltaTest, KnowsTheBaseAgainAfterARestart) {
  Start();
  ServeLarge();
  Restart();
  ServeLarge();
  EXPECT_EQ(Count(DeltaOutcome::kApplied), 1U);
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenItHasNoBase) {
  PublishLarge();
  PublishLarge();
  Start();
  ASSERT_TRUE(ComesToServe(*loader_, 2)) << Status().last_error;
  EXPECT_EQ(script_->deltas_count, 0);
  EXPECT_EQ(Count(DeltaOutcome::kNoBase), 1U);
  EXPECT_EQ(log_.Count(Kind::kDeltaFailed), 0) << "that is no failure";
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenTheStoreDoesNotGiveTheDelta) {
  Start();
  ServeLarge();
  script_->failing_deltas = 1;
  ExpectFallback(DeltaOutcome::kFetchFailed, "the connection broke");
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenTheDeltaIsDamaged) {
  Start();
  ServeLarge();
  script_->deltas = Delta::kDamaged;
  ExpectFallback(DeltaOutcome::kMismatch, "the manifest says");
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenTheDeltaIsShort) {
  Start();
  ServeLarge();
  script_->deltas = Delta::kShort;
  ExpectFallback(DeltaOutcome::kMismatch, "the manifest says");
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenTheDeltaDoesNotEnd) {
  Start();
  ServeLarge();
  script_->deltas = Delta::kLong;
  ExpectFallback(DeltaOutcome::kMismatch, "more than the");
}

TEST_F(LoaderDeltaTest, FetchesTheFileWhenTheDeltaMakesAnotherOne) {
  Start();
  ServeLarge();
  const TestFile published = {.w0 = 2.0, .version = 2, .rows_count = kManyRows};
  const TestFile made = {.w0 = 7.0, .version = 2, .rows_count = kManyRows};
  PublishWithDeltaOf(store_.Bytes(published), store_.Bytes(made));
  ASSERT_TRUE(ComesToServe(*loader_, 2)) << Status().last_error;
  EXPECT_EQ(EmptyScore(*Serving()), 2.0F);
  EXPECT_EQ(Count(DeltaOutcome::kMismatch), 1U);
  ASSERT_TRUE(log_.WaitFor(Kind::kDeltaFailed, 2));
}

TEST_F(LoaderDeltaTest, WhatADeltaMakesPassesTheGatesOrNot) {
  Start();
  ServeLarge();
  const std::string bytes =
      store_.Bytes({.w0 = 2.0, .model = "cvr", .version = 2, .rows_count = kManyRows});
  PublishWithDeltaOf(bytes, bytes);
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2)) << Status().last_error;
  EXPECT_EQ(Status().serving_version, 1U);
  EXPECT_EQ(script_->fetches_count, 1) << "the same bytes need not be fetched whole";
}

TEST_F(LoaderDeltaTest, AFetchThatHangsCanBeStopped) {
  Start();
  ServeLarge();
  script_->stall = true;
  PublishLarge();
  ASSERT_TRUE(Eventually([&] { return script_->stalling.load(); }));
  loader_->Stop();
  EXPECT_EQ(Status().serving_version, 1U);
  script_->stall = false;
  Restart();
  ASSERT_TRUE(ComesToServe(*loader_, 2)) << Status().last_error;
}

}  // namespace
}  // namespace fmserve::loader
