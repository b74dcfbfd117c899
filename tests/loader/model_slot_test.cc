#include "loader/model_slot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

std::shared_ptr<const Snapshot> Version(uint64_t version) {
  return MakeSnapshot({.w0 = static_cast<double>(version), .version = version});
}

TEST(ModelSlot, IsEmptyBeforeTheFirstPublish) {
  ModelSlot slot;
  EXPECT_EQ(slot.Get(), nullptr);
  EXPECT_EQ(slot.Previous(), nullptr);
  EXPECT_FALSE(slot.Rollback());
  EXPECT_EQ(slot.mapped_bytes(), 0U);
}

TEST(ModelSlot, PublishMakesTheServingVersionThePreviousOne) {
  ModelSlot slot;
  slot.Publish(Version(1));
  slot.Publish(Version(2));
  EXPECT_EQ(slot.Get()->version(), 2U);
  EXPECT_EQ(slot.Previous()->version(), 1U);
}

TEST(ModelSlot, RollbackExchangesCurrentAndPrevious) {
  ModelSlot slot;
  slot.Publish(Version(1));
  EXPECT_FALSE(slot.Rollback());
  slot.Publish(Version(2));
  EXPECT_TRUE(slot.Rollback());
  EXPECT_EQ(slot.Get()->version(), 1U);
  EXPECT_EQ(slot.Previous()->version(), 2U);
  EXPECT_TRUE(slot.Rollback());
  EXPECT_EQ(slot.Get()->version(), 2U);
}

TEST(ModelSlot, RestorePreviousFillsAnEmptyPlaceOnly) {
  ModelSlot slot;
  EXPECT_FALSE(slot.RestorePrevious(Version(1)));
  slot.Publish(Version(2));
  EXPECT_TRUE(slot.RestorePrevious(Version(1)));
  EXPECT_FALSE(slot.RestorePrevious(Version(3)));
  EXPECT_EQ(slot.Previous()->version(), 1U);
}

TEST(ModelSlot, ARequestKeepsItsSnapshotUntilItLetsGo) {
  ModelSlot slot;
  slot.Publish(Version(1));
  std::shared_ptr<const Snapshot> request = slot.Get();
  const std::weak_ptr<const Snapshot> watch = request;
  slot.Publish(Version(2));
  slot.Publish(Version(3));
  EXPECT_TRUE(slot.TakeUnused().empty());
  EXPECT_TRUE(slot.HasRetired());
  EXPECT_EQ(EmptyScore(*request), 1.0F);
  request.reset();
  EXPECT_FALSE(watch.expired()) << "the request must not pay for the unmapping";
  EXPECT_EQ(slot.TakeUnused().size(), 1U);
  EXPECT_FALSE(slot.HasRetired());
  EXPECT_TRUE(watch.expired());
}

TEST(ModelSlot, CountsTheBytesOfAllItKeeps) {
  ModelSlot slot;
  const uint64_t file_bytes = Version(1)->file().info().file_size;
  for (uint64_t version = 1; version <= 3; ++version) slot.Publish(Version(version));
  EXPECT_EQ(slot.mapped_bytes(), 3 * file_bytes);
  slot.TakeUnused();
  EXPECT_EQ(slot.mapped_bytes(), 2 * file_bytes);
}

// Half of the requests, and one id of either half.
CanaryShare Half() { return CanaryShare::Of(2, 50.0); }
constexpr std::string_view kOfCanary = "page-view-4711";
constexpr std::string_view kOfCurrent = "page-view-0";

TEST(ModelSlot, ACanaryAnswersItsShareOfTheRequests) {
  ASSERT_TRUE(Half().Has(kOfCanary));
  ASSERT_FALSE(Half().Has(kOfCurrent));
  ModelSlot slot;
  EXPECT_EQ(slot.Choose(kOfCanary), nullptr);
  slot.Publish(Version(1));
  EXPECT_EQ(slot.Choose(kOfCanary)->version(), 1U);
  slot.StartCanary(Version(2), Half());
  EXPECT_EQ(slot.Choose(kOfCanary)->version(), 2U);
  EXPECT_EQ(slot.Choose(kOfCurrent)->version(), 1U);
  EXPECT_EQ(slot.Canary()->version(), 2U);
  EXPECT_EQ(slot.Get()->version(), 1U);
  EXPECT_EQ(slot.Previous(), nullptr);
}

TEST(ModelSlot, ACanaryThatIsPublishedAnswersAllRequests) {
  ModelSlot slot;
  slot.Publish(Version(1));
  slot.StartCanary(Version(2), Half());
  slot.Publish(slot.Canary());
  EXPECT_EQ(slot.Canary(), nullptr);
  EXPECT_EQ(slot.Choose(kOfCurrent)->version(), 2U);
  EXPECT_EQ(slot.Previous()->version(), 1U);
  EXPECT_FALSE(slot.HasRetired());
}

TEST(ModelSlot, ACanaryThatEndsIsRetired) {
  ModelSlot slot;
  EXPECT_FALSE(slot.EndCanary());
  slot.Publish(Version(1));
  slot.StartCanary(Version(2), Half());
  std::shared_ptr<const Snapshot> request = slot.Choose(kOfCanary);
  EXPECT_TRUE(slot.EndCanary());
  EXPECT_EQ(slot.Choose(kOfCanary)->version(), 1U);
  EXPECT_TRUE(slot.TakeUnused().empty()) << "a request holds it";
  request.reset();
  EXPECT_EQ(slot.TakeUnused().size(), 1U);
}

TEST(ModelSlot, ACanaryTakesThePlaceOfTheOneBeforeAndOutlivesASwap) {
  ModelSlot slot;
  slot.Publish(Version(1));
  slot.StartCanary(Version(2), Half());
  slot.StartCanary(Version(3), Half());
  EXPECT_EQ(slot.TakeUnused().size(), 1U);
  slot.Publish(Version(4));
  EXPECT_EQ(slot.Canary()->version(), 3U);
  EXPECT_EQ(slot.mapped_bytes(), 3 * Version(1)->file().info().file_size);
}

// `weights` with a catalogue of its own, folded.
std::shared_ptr<const Snapshot> WithCatalogue(const Snapshot& weights, uint64_t version) {
  const TestFolder folder;
  WriteTestCatalogue({.version = version}, folder.Path("file.fmc"));
  return std::make_shared<const Snapshot>(
      weights, *model::FoldedCatalogue::Fold(weights.shared_file(),
                                             *model::CatalogueFile::Open(folder.Path("file.fmc")),
                                             TestKernels()));
}

TEST(Snapshot, SharesItsWeightsWithOneOfAnotherCatalogue) {
  const auto alone = Version(1);
  EXPECT_EQ(alone->catalogue(), nullptr);
  EXPECT_EQ(alone->catalogue_version(), 0U);
  const auto pair = WithCatalogue(*alone, 7);
  EXPECT_EQ(&pair->file(), &alone->file());
  EXPECT_EQ(pair->version(), 1U);
  EXPECT_EQ(pair->catalogue_version(), 7U);
  EXPECT_EQ(EmptyScore(*pair), 1.0F);
  EXPECT_EQ(BestScore(*pair), 0.5);
}

TEST(ModelSlot, CountsWhatSnapshotsShareOnce) {
  ModelSlot slot;
  slot.Publish(Version(1));
  const uint64_t weights_bytes = slot.mapped_bytes();
  slot.Publish(WithCatalogue(*slot.Get(), 1));
  const uint64_t catalogue_bytes = slot.mapped_bytes() - weights_bytes;
  EXPECT_EQ(catalogue_bytes,
            slot.Get()->catalogue()->bytes() + slot.Get()->catalogue()->file().info().file_size);
  slot.Publish(WithCatalogue(*slot.Get(), 2));
  EXPECT_EQ(slot.mapped_bytes(), weights_bytes + 2 * catalogue_bytes);
}

// Stays mapped by the test; snapshots of it come and go.
std::vector<std::shared_ptr<const model::WeightFile>> OpenFiles(uint64_t count) {
  const TestFolder folder;
  std::vector<std::shared_ptr<const model::WeightFile>> files;
  for (uint64_t version = 1; version <= count; ++version) {
    const std::string path = folder.Path(WeightFileName(version));
    WriteTestFile({.w0 = static_cast<double>(version), .version = version}, path);
    files.push_back(*model::WeightFile::Open(path));
  }
  return files;
}

TEST(ModelSlot, ReadersNeverSeeAMixtureWhileThousandsOfSwapsHappen) {
  constexpr int kSwaps = 5000;
  const auto files = OpenFiles(4);
  ModelSlot slot;
  slot.Publish(std::make_shared<const Snapshot>(files[0], TestKernels()));
  std::atomic<bool> done = false;
  std::atomic<uint64_t> requests_count = 0;
  const auto read = [&] {
    while (!done) {
      const std::shared_ptr<const Snapshot> snapshot = slot.Get();
      ASSERT_EQ(EmptyScore(*snapshot), static_cast<float>(snapshot->version()));
      ++requests_count;
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(6);
  for (int i = 0; i < 3; ++i) threads.emplace_back(read);
  threads.emplace_back([&] {
    while (!done) slot.Rollback();
  });
  threads.emplace_back([&] {
    for (uint64_t i = 0; !done; ++i) {
      const std::shared_ptr<const Snapshot> snapshot = slot.Choose(absl::StrCat(i));
      ASSERT_EQ(EmptyScore(*snapshot), static_cast<float>(snapshot->version()));
    }
  });
  threads.emplace_back([&] {
    for (size_t i = 0; !done; ++i) {
      slot.StartCanary(std::make_shared<const Snapshot>(files[i % files.size()], TestKernels()),
                       Half());
      if (i % 3 == 0) slot.EndCanary();
      if (i % 3 == 1) slot.Publish(slot.Canary());
      slot.TakeUnused();
    }
  });
  for (int i = 0; i < kSwaps; ++i) {
    slot.Publish(std::make_shared<const Snapshot>(files[static_cast<size_t>(i) % files.size()],
                                                  TestKernels()));
    slot.TakeUnused();
  }
  EXPECT_TRUE(Eventually([&] { return requests_count > 100; }));
  done = true;
  for (std::thread& thread : threads) thread.join();
  slot.TakeUnused();
  EXPECT_FALSE(slot.HasRetired());
}

}  // namespace
}  // namespace fmserve::loader
