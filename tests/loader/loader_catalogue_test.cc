// Weights and catalogue serve as a pair, whichever of them is new.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class LoaderCatalogue : public LoaderFixture {
 protected:
  // The store names this catalogue, which must not serve; what served goes on serving.
  void ExpectCatalogueRejected(uint64_t version, const std::string& reason) {
    const std::shared_ptr<const Snapshot> before = Serving();
    ASSERT_TRUE(log_.WaitFor(Kind::kRejected, version, kCatalogue)) << Status().catalogue_error;
    WaitForPolls();
    EXPECT_THAT(Status().catalogue_error, HasSubstr(reason));
    EXPECT_EQ(Serving(), before);
    EXPECT_EQ(Status().last_error, "");
    const int fetches = catalogue_script_->fetches_count;
    WaitForPolls();
    EXPECT_EQ(catalogue_script_->fetches_count, fetches) << "not again until something changes";
    EXPECT_EQ(log_.Count(Kind::kRejected, kCatalogue), 1);
  }
};

TEST_F(LoaderCatalogue, ANewCatalogueServesWithTheWeightsThatServe) {
  Start();
  PublishAndServe();
  EXPECT_EQ(Serving()->catalogue(), nullptr);
  EXPECT_EQ(Status().catalogue_error, "") << "a model need not have one";
  const std::shared_ptr<const Snapshot> before = Serving();
  store_.PublishCatalogue({.items_count = 7});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 1)) << Status().catalogue_error;
  EXPECT_EQ(BestScore(*Serving()), 0.5);
  EXPECT_EQ(&Serving()->file(), &before->file()) << "the weights are not opened again";
  EXPECT_EQ(script_->fetches_count, 1);
  const ModelStatus status = Status();
  EXPECT_EQ(status.catalogue_version, 1U);
  EXPECT_EQ(status.catalogue_items_count, 7U);
  EXPECT_GT(status.catalogue_bytes, 0U);
  EXPECT_TRUE(log_.WaitFor(Kind::kPublished, 1, kCatalogue));
}

TEST_F(LoaderCatalogue, NewWeightsServeWithTheCatalogueThatServes) {
  StartWithPair();
  const std::shared_ptr<const Snapshot> before = Serving();
  PublishAndServe();
  EXPECT_EQ(Serving()->catalogue_version(), 1U) << "never without it";
  EXPECT_EQ(BestScore(*Serving()), 1.5);
  EXPECT_EQ(&Serving()->catalogue()->file(), &before->catalogue()->file());
  EXPECT_EQ(catalogue_script_->fetches_count, 1);
}

TEST_F(LoaderCatalogue, ACatalogueThatIsThereFirstWaitsForWeights) {
  store_.PublishCatalogue({});
  PublishNext();
  Start();
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1));
}

TEST_F(LoaderCatalogue, ACatalogueThatDoesNotFitWaitsForItsWeights) {
  StartWithPair();
  store_.PublishCatalogue({.price_mean = 3.0});
  ExpectCatalogueRejected(2, "'price' is gone");
  store_.Publish({.w0 = 2.0, .price_mean = 3.0});
  ASSERT_TRUE(ComesToServePair(*loader_, 2, 2)) << Status().last_error << Status().catalogue_error;
  EXPECT_EQ(BestScore(*Serving()), 1.5);
}

TEST_F(LoaderCatalogue, WeightsThatTheCatalogueDoesNotFitWaitForTheirs) {
  Start();
  store_.Publish({.w0 = 1.0, .price_mean = 3.0});
  store_.PublishCatalogue({.price_mean = 3.0});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 1));
  const std::shared_ptr<const Snapshot> before = Serving();
  store_.Publish({.w0 = 2.0, .price_mean = 4.0});
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2));
  WaitForPolls();
  EXPECT_EQ(Serving(), before);
  EXPECT_THAT(Status().last_error, HasSubstr("'price' was standardised with mean 3"));
  EXPECT_EQ(Listed(2).state, VersionState::kRejected);
  const int fetches = script_->fetches_count;
  WaitForPolls();
  EXPECT_EQ(script_->fetches_count, fetches);
  store_.PublishCatalogue({.price_mean = 4.0});
  ASSERT_TRUE(ComesToServePair(*loader_, 2, 2)) << Status().last_error << Status().catalogue_error;
  WaitForPolls();
  EXPECT_EQ(Status().last_error, "");
  EXPECT_EQ(Status().catalogue_error, "");
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1));
  WaitForPolls();
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1)) << "both are set aside";
  ASSERT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 2, 2));
}

TEST_F(LoaderCatalogue, AHalfWrittenCatalogueIsRejectedUntilItIsWhole) {
  StartWithPair();
  const std::string bytes = store_.CatalogueBytes({.version = 2});
  store_.PublishBytes(2, bytes, kCatalogue);
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2));
  const std::string next = store_.CatalogueBytes({.items_count = 5, .version = 3});
  WriteFile(store_.CataloguePath(3), next.substr(0, next.size() / 2));
  store_.PublishManifest(
      {.model = kModel, .version = 3, .size_bytes = next.size(), .sha256 = Sha256Hex(next)},
      kCatalogue);
  ExpectCatalogueRejected(3, "the manifest says");
  WriteFile(store_.CataloguePath(3), next);
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 3));
}

TEST_F(LoaderCatalogue, ADamagedCatalogueIsRejectedAndNothingOfItStaysInTheCache) {
  StartWithPair();
  std::string bytes = store_.CatalogueBytes({.version = 2});
  bytes[bytes.size() / 2] ^= 1;
  store_.PublishBytes(2, bytes, kCatalogue);
  ExpectCatalogueRejected(2, "section");
  EXPECT_THAT(ListFolder(store_.cache()), ::testing::ElementsAre(".lock", FileName(kCatalogue, 1),
                                                                 WeightFileName(1), "state.json"));
  PublishAndServe();
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
}

TEST_F(LoaderCatalogue, ACatalogueOfAnotherModelIsRejected) {
  StartWithPair();
  store_.PublishBytes(2, store_.CatalogueBytes({.model = "cvr", .version = 2}), kCatalogue);
  ExpectCatalogueRejected(2, "'cvr'");
}

TEST_F(LoaderCatalogue, ACatalogueThatIsTooLargeIsRejectedUnfetched) {
  options_.gates.max_file_bytes = 100'000;
  StartWithPair();
  const int fetches = catalogue_script_->fetches_count;
  store_.PublishCatalogue({.items_count = 10'000});
  ExpectCatalogueRejected(2, "at most 100000");
  EXPECT_EQ(catalogue_script_->fetches_count, fetches);
}

TEST_F(LoaderCatalogue, ABrokenManifestOfCataloguesDoesNotHoldUpWeights) {
  StartWithPair();
  WriteFile(StoreFolder(store_.store(), kModel, kCatalogue) + "/CURRENT", "{\"model\": \"c");
  ASSERT_TRUE(log_.WaitFor(Kind::kFailed, 0, kCatalogue));
  PublishAndServe();
  EXPECT_THAT(Status().catalogue_error, HasSubstr("CURRENT"));
  EXPECT_EQ(Status().last_error, "");
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
}

TEST_F(LoaderCatalogue, AFetchThatFailsForAPassingReasonIsTriedAgain) {
  catalogue_script_->failing_fetches = 3;
  StartWithPair();
  EXPECT_EQ(catalogue_script_->fetches_count, 4);
  EXPECT_GE(Status().poll_failures_count, 3U);
}

TEST_F(LoaderCatalogue, RollbackExchangesWholePairs) {
  StartWithPair();
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2));
  EXPECT_EQ(Status().previous_version, 1U);
  EXPECT_EQ(Status().previous_catalogue_version, 1U);
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
  WaitForPolls();
  EXPECT_EQ(Serving()->catalogue_version(), 1U) << "the store still names catalogue 2";
  EXPECT_TRUE(log_.WaitFor(Kind::kRolledBack, 1, kCatalogue));
  EXPECT_EQ(log_.Count(Kind::kRolledBack), 0) << "the weights stay";
  PublishAndServe();
  WaitForPolls();
  EXPECT_EQ(Serving()->catalogue_version(), 1U) << "it stays aside";
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Serving()->version(), 1U);
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
  store_.PublishCatalogue({.items_count = 6});
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 3));
}

TEST_F(LoaderCatalogue, AnExchangeOfWeightsMeanwhileIsNotUndoneByACatalogue) {
  StartWithPair();
  PublishAndServe();
  catalogue_script_->stall = true;
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(Eventually([&] { return catalogue_script_->stalling.load(); }));
  ASSERT_TRUE(loader_->Rollback().ok());
  catalogue_script_->stall = false;
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2)) << Status().catalogue_error;
  EXPECT_EQ(BestScore(*Serving()), 0.5);
  EXPECT_EQ(catalogue_script_->fetches_count, 2) << "it lies in the cache";
}

TEST_F(LoaderCatalogue, ReloadWaitsForTheCatalogueAndSaysWhyItIsRejected) {
  options_.poll_interval = std::chrono::hours(1);
  PublishNext();
  store_.PublishCatalogue({});
  Start();
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 1));
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_EQ(Serving()->catalogue_version(), 2U);
  store_.PublishCatalogue({.price_mean = 3.0});
  const absl::Status status = loader_->Reload(Soon());
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("price"));
}

TEST_F(LoaderCatalogue, PinnedWeightsTakeACachedCatalogueThatFits) {
  Start();
  for (uint64_t version = 1; version <= 3; ++version) {
    const double mean = version == 1 ? 3.0 : 4.0;
    store_.Publish({.w0 = static_cast<double>(version), .price_mean = mean});
    if (version <= 2) store_.PublishCatalogue({.price_mean = mean});
    ASSERT_TRUE(ComesToServePair(*loader_, version, std::min<uint64_t>(version, 2)));
  }
  const absl::Status pinned = loader_->Pin(1, Soon());
  ASSERT_TRUE(pinned.ok()) << pinned;
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1));
  WaitForPolls();
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1)) << "the newest does not fit";
  EXPECT_THAT(Status().catalogue_error, HasSubstr("price"));
  ASSERT_TRUE(loader_->Unpin().ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 3, 2));
}

TEST_F(LoaderCatalogue, KeepsTheLastCataloguesCachedAndCountsWhatIsSharedOnce) {
  options_.cached_versions = 2;
  StartWithPair();
  for (uint64_t version = 2; version <= 5; ++version) {
    store_.PublishCatalogue({});
    ASSERT_TRUE(ComesToServePair(*loader_, 1, version));
  }
  EXPECT_TRUE(Eventually([&] {
    return ListFolder(store_.cache()) ==
           std::vector<std::string>{".lock", WeightFileName(1), FileName(kCatalogue, 4),
                                    FileName(kCatalogue, 5), "state.json"};
  }));
  const uint64_t weights_bytes = std::filesystem::file_size(store_.WeightPath(1));
  EXPECT_TRUE(Eventually([&] {
    const ModelStatus status = Status();
    return status.snapshot_bytes == weights_bytes + 2 * status.catalogue_bytes;
  }));
}

TEST_F(LoaderCatalogue, RequestsNeverSeeAPairThatDoesNotBelongTogether) {
  StartWithPair();
  PublishAndServe();  // a rollback goes back to a pair, not to none
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        const std::shared_ptr<const Snapshot> snapshot = Serving();
        ASSERT_EQ(BestScore(*snapshot), static_cast<double>(snapshot->version()) - 0.5);
        ASSERT_EQ(snapshot->catalogue()->file().size(), 9 + snapshot->catalogue_version());
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      loader_->Rollback().IgnoreError();
      loader_->Reload(ModelLoader::Clock::now() + std::chrono::milliseconds(20)).IgnoreError();
      loader_->GetStatus();
    }
  });
  for (uint32_t i = 1; i <= 8; ++i) {
    PublishNext();
    store_.PublishCatalogue({.items_count = 10 + i});
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  loader_->Reload(Soon()).IgnoreError();
  EXPECT_TRUE(loader_->Reload(Soon()).ok());
  EXPECT_TRUE(ComesToServePair(*loader_, 10, 9)) << Status().last_error << Status().catalogue_error;
}

}  // namespace
}  // namespace fmserve::loader
