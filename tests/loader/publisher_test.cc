#include "loader/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <thread>

#include "loader/delta.h"
#include "loader/file_util.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Publisher : public ::testing::Test {
 protected:
  absl::StatusOr<Manifest> PublishFile(const std::string& path, bool allow_no_goldens = false) {
    return Publish(path,
                   {.store = store_.store(),
                    .model = kModel,
                    .allow_no_goldens = allow_no_goldens,
                    .without_delta = [this](const absl::Status& why) { without_delta_ = why; },
                    .lock_patience = lock_patience_},
                   TestKernels());
  }
  std::string Trained(const TestFile& file) {
    const std::string path = folder_.Path("trained.fmw");
    WriteTestFile(file, path);
    return path;
  }

  TestFolder folder_;
  TestStore store_;
  std::chrono::milliseconds lock_patience_{10000};
  absl::Status without_delta_;  // what the last publisher said
};

TEST_F(Publisher, StampsNameAndVersionAndWritesTheManifestOfTheCopy) {
  const absl::StatusOr<Manifest> manifest =
      PublishFile(Trained({.w0 = 3.0, .model = "experiment"}));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->model, kModel);
  EXPECT_EQ(manifest->version, 1U);
  EXPECT_EQ(*ParseManifest(ReadFile(store_.ModelPath("CURRENT"))), *manifest);
  const std::string bytes = ReadFile(store_.WeightPath(1));
  EXPECT_EQ(manifest->size_bytes, bytes.size());
  EXPECT_EQ(manifest->sha256, Sha256Hex(bytes));
  const auto file = model::WeightFile::Open(store_.WeightPath(1));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->info().model_name, kModel);
  EXPECT_EQ((*file)->info().version, 1U);
  EXPECT_EQ((*file)->info().w0, 3.0);
}

TEST_F(Publisher, GivesTheNextVersionAfterTheManifestAndAfterEveryFile) {
  EXPECT_EQ(PublishFile(Trained({}))->version, 1U);
  EXPECT_EQ(PublishFile(Trained({}))->version, 2U);
  WriteFile(store_.WeightPath(7), "left by a publisher that died before the manifest");
  EXPECT_EQ(PublishFile(Trained({}))->version, 8U);
  store_.PublishManifest(
      {.model = kModel, .version = 20, .size_bytes = 1, .sha256 = std::string(64, '0')});
  EXPECT_EQ(PublishFile(Trained({}))->version, 21U);
}

// Large enough for a delta to be worth it.
constexpr int kManyRows = 2000;

TEST_F(Publisher, LeavesADeltaFromTheVersionBefore) {
  EXPECT_TRUE(PublishFile(Trained({.w0 = 1.0, .rows_count = kManyRows}))->deltas.empty());
  const Manifest second = *PublishFile(Trained({.w0 = 2.0, .rows_count = kManyRows}));
  ASSERT_EQ(second.deltas.size(), 1U);
  const ManifestDelta& delta = second.deltas[0];
  EXPECT_EQ(delta.base_version, 1U);
  EXPECT_EQ(delta.base_sha256, Sha256Hex(ReadFile(store_.WeightPath(1))));
  EXPECT_EQ(delta.file, DeltaFileName(1, 2));
  const std::string bytes = ReadFile(store_.ModelPath(delta.file));
  EXPECT_EQ(delta.size_bytes, bytes.size());
  EXPECT_EQ(delta.sha256, Sha256Hex(bytes));
  EXPECT_LT(bytes.size(), second.size_bytes / 2);
  const auto applied = ApplyDelta(store_.WeightPath(1), store_.ModelPath(delta.file),
                                  folder_.Path("made.fmw"), 1 << 30, model::NeverStop);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(ReadFile(folder_.Path("made.fmw")), ReadFile(store_.WeightPath(2)));
  EXPECT_EQ(*ParseManifest(ReadFile(store_.ModelPath("CURRENT"))), second);
}

TEST_F(Publisher, LeavesNoDeltaThatIsNotWorthItOrNotWanted) {
  ASSERT_TRUE(PublishFile(Trained({.w0 = 1.0})).ok());
  EXPECT_TRUE(PublishFile(Trained({.w0 = 2.0}))->deltas.empty()) << "these are small files";
  for (const double w0 : {3.0, 4.0}) {
    const auto published = Publish(
        Trained({.w0 = w0, .rows_count = kManyRows}),
        {.store = store_.store(), .model = kModel, .delta_from = PublishOptions::DeltaFrom::kNone},
        TestKernels());
    ASSERT_TRUE(published.ok()) << published.status();
    EXPECT_TRUE(published->deltas.empty());
  }
  EXPECT_THAT(ListFolder(store_.ModelPath(".")),
              ::testing::Not(::testing::Contains(::testing::EndsWith(".fmd"))));
}

TEST_F(Publisher, LeavesADeltaFromTheFileThatIsNamed) {
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(PublishFile(Trained({.w0 = 1.0 * i, .rows_count = kManyRows})).ok());
  const auto publish_from = [&](const std::string& base) {
    return Publish(Trained({.w0 = 9.0, .rows_count = kManyRows}),
                   {.store = store_.store(),
                    .model = kModel,
                    .delta_from = PublishOptions::DeltaFrom::kFile,
                    .delta_base = base},
                   TestKernels());
  };
  const auto published = publish_from(store_.WeightPath(2));
  ASSERT_TRUE(published.ok()) << published.status();
  ASSERT_EQ(published->deltas.size(), 1U);
  EXPECT_EQ(published->deltas[0].base_version, 2U);
  WriteTestFile({}, folder_.Path("never.fmw"));
  EXPECT_THAT(std::string(publish_from(folder_.Path("never.fmw")).status().message()),
              HasSubstr("was never published"));
  EXPECT_EQ(ParseManifest(ReadFile(store_.ModelPath("CURRENT")))->version, 4U);
}

TEST_F(Publisher, DoesWithoutADeltaAndSaysWhyWhenTheVersionBeforeIsGoneOrBroken) {
  ASSERT_TRUE(PublishFile(Trained({.w0 = 1.0, .rows_count = kManyRows})).ok());
  EXPECT_TRUE(without_delta_.ok()) << "there was nothing to make one from";
  std::filesystem::remove(store_.WeightPath(1));
  EXPECT_TRUE(PublishFile(Trained({.w0 = 2.0, .rows_count = kManyRows}))->deltas.empty());
  EXPECT_THAT(std::string(without_delta_.message()), HasSubstr(WeightFileName(1)));
  WriteFile(store_.WeightPath(2), "broken");
  EXPECT_TRUE(PublishFile(Trained({.w0 = 3.0, .rows_count = kManyRows}))->deltas.empty());
  EXPECT_THAT(std::string(without_delta_.message()), HasSubstr(WeightFileName(2)));
}

TEST_F(Publisher, RefusesWhatIsNotFitToServe) {
  WriteFile(folder_.Path("broken.fmw"), "not a weight file");
  EXPECT_FALSE(PublishFile(folder_.Path("broken.fmw")).ok());
  const absl::Status golden = PublishFile(Trained({.golden_error = 1.0})).status();
  EXPECT_TRUE(absl::IsInvalidArgument(golden));
  EXPECT_THAT(std::string(golden.message()), HasSubstr("golden 0"));
  EXPECT_FALSE(PublishFile(Trained({.with_golden = false})).ok());
  EXPECT_TRUE(PublishFile(Trained({.with_golden = false}), /*allow_no_goldens=*/true).ok());
}

TEST_F(Publisher, DoesNotGuessWhenTheManifestCannotBeRead) {
  WriteFile(store_.ModelPath("CURRENT"), "{");
  EXPECT_THAT(std::string(PublishFile(Trained({})).status().message()),
              HasSubstr(store_.ModelPath("CURRENT")));
}

TEST_F(Publisher, RemovesWhatDeadPublishersLeft) {
  WriteFile(store_.WeightPath(1) + ".tmp-99-0", "half");
  ASSERT_TRUE(PublishFile(Trained({})).ok());
  EXPECT_THAT(ListFolder(store_.ModelPath("")),
              ElementsAre(".publish.lock", WeightFileName(1), "CURRENT"));
}

TEST_F(Publisher, PublishesCataloguesBesideTheWeightsWithNumbersOfTheirOwn) {
  ASSERT_TRUE(PublishFile(Trained({})).ok());
  ASSERT_TRUE(PublishFile(Trained({})).ok());
  WriteTestCatalogue({.items_count = 3, .model = "experiment"}, folder_.Path("made.fmc"));
  const PublishOptions options{.store = store_.store(), .model = kModel};
  const absl::StatusOr<Manifest> manifest = PublishCatalogue(folder_.Path("made.fmc"), options);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->version, 1U);
  EXPECT_EQ(*store_.MakeSource(Artifact::kCatalogue)->Poll(), *manifest);
  EXPECT_EQ(manifest->sha256, Sha256Hex(ReadFile(store_.CataloguePath(1))));
  const auto file = model::CatalogueFile::Open(store_.CataloguePath(1));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->info().model_name, kModel);
  EXPECT_EQ((*file)->info().version, 1U);
  EXPECT_EQ((*file)->size(), 3U);
  EXPECT_EQ(PublishCatalogue(folder_.Path("made.fmc"), options)->version, 2U);
  EXPECT_EQ(store_.MakeSource()->Poll()->version, 2U) << "the weights' manifest is as it was";
}

TEST_F(Publisher, RefusesACatalogueThatIsNone) {
  const PublishOptions options{.store = store_.store(), .model = kModel};
  EXPECT_FALSE(PublishCatalogue(Trained({}), options).ok()) << "a weight file";
  WriteTestCatalogue({}, folder_.Path("made.fmc"));
  std::string bytes = ReadFile(folder_.Path("made.fmc"));
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(folder_.Path("made.fmc"), bytes);
  EXPECT_FALSE(PublishCatalogue(folder_.Path("made.fmc"), options).ok());
  EXPECT_FALSE(PublishFile(folder_.Path("made.fmc")).ok()) << "nor are weights";
}

TEST_F(Publisher, GivesUpWhenAnotherOneHoldsTheStore) {
  ASSERT_TRUE(CreateFolder(store_.ModelPath("")).ok());
  const absl::StatusOr<FolderLock> other =
      FolderLock::TryAcquire(store_.ModelPath(".publish.lock"));
  ASSERT_TRUE(other.ok());
  lock_patience_ = std::chrono::milliseconds(50);
  EXPECT_TRUE(absl::IsUnavailable(PublishFile(Trained({})).status()));
}

TEST_F(Publisher, ConcurrentPublishersGetVersionsOfTheirOwn) {
  constexpr int kThreads = 4;
  constexpr int kEach = 3;
  const std::string path = Trained({});
  std::mutex mutex;
  std::set<uint64_t> versions;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kEach; ++j) {
        const absl::StatusOr<Manifest> manifest = PublishFile(path);
        ASSERT_TRUE(manifest.ok()) << manifest.status();
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(versions.insert(manifest->version).second);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(versions.size(), size_t{kThreads * kEach});
  EXPECT_EQ(ParseManifest(ReadFile(store_.ModelPath("CURRENT")))->version, *versions.rbegin());
}

}  // namespace
}  // namespace fmserve::loader
