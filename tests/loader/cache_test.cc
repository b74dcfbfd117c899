#include "loader/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelState ExampleState() {
  ModelState both;
  CacheState& state = both.weights;
  state = {
      .serving_version = 3, .previous_version = 2, .pinned_version = 3, .set_aside_version = 4};
  AddRejection({.version = 5,
                .sha256 = std::string(64, 'b'),
                .fingerprint = "12-34",
                .gate = "golden",
                .detail = "golden 0 scores \"1\"",
                .size_bytes = 9,
                .published_unix_us = 77},
               state);
  state.cached[3] = {
      .model = kModel, .version = 3, .size_bytes = 4, .sha256 = std::string(64, 'c')};
  state.held = {
      .manifest = {.model = kModel, .version = 6, .size_bytes = 7},
      .report = {.version = 6,
                 .serving_version = 3,
                 .verdict = GateReport::Verdict::kHeld,
                 .detail = "psi is 0.75, at most 0.25 is allowed",
                 .requests_count = 300,
                 .failed_requests_count = 1,
                 .candidates_count = 6000,
                 .compared_unix_us = 88,
                 .seconds = 1.5,
                 .measures = {{.name = "psi", .value = 0.75, .at_most = 0.25, .passed = false},
                              {.name = "mean_ratio",
                               .serving = 0.125,
                               .candidate = 0.25,
                               .value = 2.0,
                               .at_least = 0.5}}},
      .since_unix_us = 99,
      .gate = kShadowGate,
      .why = "psi is 0.75, at most 0.25 is allowed"};
  state.canary_version = 7;
  both.catalogue.serving_version = 2;
  AddRejection({.version = 3, .gate = "weights", .partner = "5"}, both.catalogue);
  return both;
}

TEST(CacheState, ComesBackAsItWasWritten) {
  const absl::StatusOr<ModelState> parsed = ParseModelState(SerializeModelState(ExampleState()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, ExampleState());
}

TEST(CacheState, ErrorsNameTheKey) {
  EXPECT_FALSE(ParseModelState("{").ok());
  EXPECT_THAT(std::string(ParseModelState("{}").status().message()), HasSubstr("serving_version"));
}

TEST(CacheState, OfAServerThatKnewNoCataloguesIsRead) {
  const absl::StatusOr<ModelState> parsed = ParseModelState(
      R"({"serving_version": 3, "previous_version": 2, "pinned_version": 0,
          "set_aside_version": 0, "cached": [], "rejections": []})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->weights.serving_version, 3U);
  EXPECT_EQ(parsed->catalogue, CacheState());
}

TEST(CacheState, ForgetsTheLowestRejections) {
  CacheState state;
  for (uint64_t version = 1; version <= kMaxRejections + 2; ++version) {
    AddRejection({.version = version}, state);
  }
  EXPECT_EQ(state.rejections.size(), kMaxRejections);
  EXPECT_EQ(state.rejections.begin()->first, 3U);
}

class CacheTest : public ::testing::Test {
 protected:
  std::string Path(std::string_view name) const {
    return folder_.Path("cache/" + std::string(name));
  }
  absl::StatusOr<Cache> Open() const { return Cache::Open(folder_.Path("cache")); }

  TestFolder folder_;
};

TEST_F(CacheTest, StartsEmptyInAFolderOfItsOwn) {
  const absl::StatusOr<Cache> cache = Open();
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(*cache->LoadState(kModel), ModelState());
}

TEST_F(CacheTest, BelongsToOneServer) {
  const absl::StatusOr<Cache> first = Open();
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsUnavailable(Open().status()));
}

TEST_F(CacheTest, RemembersItsStateAndRemovesWhatAKilledServerLeft) {
  WriteFile(Path(WeightFileName(3)), "1234");
  WriteFile(Path(WeightFileName(4) + ".tmp-7-0"), "12");
  {
    const absl::StatusOr<Cache> cache = Open();
    ASSERT_TRUE(cache.ok());
    ASSERT_TRUE(cache->SaveState(ExampleState()).ok());
  }
  const absl::StatusOr<Cache> cache = Open();
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(*cache->LoadState(kModel), ExampleState());
  EXPECT_THAT(ListFolder(folder_.Path("cache")),
              ElementsAre(".lock", WeightFileName(3), "state.json"));
}

TEST_F(CacheTest, TrustsTheFolderMoreThanTheState) {
  const absl::StatusOr<Cache> cache = Open();
  ASSERT_TRUE(cache.ok());
  ASSERT_TRUE(cache->SaveState(ExampleState()).ok());
  EXPECT_TRUE(cache->LoadState(kModel)->weights.cached.empty()) << "the file is gone";
  WriteFile(Path(WeightFileName(3)), "12345");
  const CacheState state = cache->LoadState(kModel)->weights;
  EXPECT_EQ(state.cached.at(3).sha256, "")
      << "another size: another file than the one that was hashed";
  EXPECT_EQ(state.cached.at(3).size_bytes, 5U);
}

TEST_F(CacheTest, StillHasItsFilesWhenTheStateIsBroken) {
  WriteFile(Path(WeightFileName(3)), "1234");
  WriteFile(Path("state.json"), "{\"serving_ver");
  const absl::StatusOr<Cache> cache = Open();
  ASSERT_TRUE(cache.ok());
  const CacheState state = cache->LoadState(kModel)->weights;
  EXPECT_EQ(state.serving_version, 0U);
  EXPECT_TRUE(state.cached.contains(3));
}

TEST_F(CacheTest, RemovesAVersionOnceAndForAll) {
  const absl::StatusOr<Cache> cache = Open();
  ASSERT_TRUE(cache.ok());
  WriteFile(cache->Path(Artifact::kWeights, 3), "1234");
  EXPECT_TRUE(cache->Detach(Artifact::kWeights, 3).ok());
  EXPECT_TRUE(absl::IsNotFound(cache->Detach(Artifact::kWeights, 3).status()));
  EXPECT_TRUE(cache->LoadState(kModel)->weights.cached.empty());
}

TEST(CacheOpen, SaysWhichFolderCannotBeUsed) {
  const absl::Status status = Cache::Open("/proc/nothing/cache").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/proc/nothing/cache"));
}

}  // namespace
}  // namespace fmserve::loader
