// Levers exchange weights and catalogue together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

using LoaderCatalogueLevers = LoaderFixture;

TEST_F(LoaderCatalogueLevers, RollbackExchangesWholePairs) {
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

TEST_F(LoaderCatalogueLevers, AnExchangeOfWeightsMeanwhileIsNotUndoneByACatalogue) {
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

TEST_F(LoaderCatalogueLevers, ReloadWaitsForTheCatalogueAndSaysWhyItIsRejected) {
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

TEST_F(LoaderCatalogueLevers, PinnedWeightsTakeACachedCatalogueThatFits) {
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

TEST_F(LoaderCatalogueLevers, RequestsNeverSeeAPairThatDoesNotBelongTogether) {
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
