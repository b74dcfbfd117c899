// Which pair of weights and catalogue serves after a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/loader/scripted_source.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class LoaderCatalogueRestart : public LoaderFixture {
 protected:
  void LoseStoreAndRestart() {
    loader_.reset();
    std::filesystem::remove_all(store_.store());
    Start();
  }
};

TEST_F(LoaderCatalogueRestart, ThePairServesAgainWithTheStoreGone) {
  StartWithPair();
  PublishAndServe();
  LoseStoreAndRestart();
  ASSERT_NE(Serving(), nullptr);
  ASSERT_EQ(Serving()->catalogue_version(), 1U);
  EXPECT_EQ(BestScore(*Serving()), 1.5);
}

TEST_F(LoaderCatalogueRestart, RollbackOfACatalogueWorksAgainAndSharesTheWeights) {
  StartWithPair();
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2));
  LoseStoreAndRestart();
  ASSERT_TRUE(Eventually([&] { return loader_->slot().Previous() != nullptr; }));
  EXPECT_EQ(&loader_->slot().Previous()->file(), &Serving()->file());
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
  EXPECT_EQ(Serving()->catalogue()->file().size(), 10U);
}

TEST_F(LoaderCatalogueRestart, ABrokenCopyIsPassedOverForOneThatFits) {
  StartWithPair();
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2));
  loader_.reset();
  std::string bytes = ReadFile(store_.CachePath(FileName(kCatalogue, 2)));
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(store_.CachePath(FileName(kCatalogue, 2)), bytes);
  LoseStoreAndRestart();
  EXPECT_EQ(Serving()->catalogue_version(), 1U);
  EXPECT_TRUE(log_.WaitFor(Kind::kFailed, 2, kCatalogue));
}

TEST_F(LoaderCatalogueRestart, WhatIsRolledBackToHavingNoneStaysSo) {
  StartWithPair();
  ASSERT_TRUE(loader_->Rollback().ok());
  EXPECT_EQ(Serving()->catalogue(), nullptr);
  Restart();
  EXPECT_EQ(Serving()->catalogue(), nullptr);
  WaitForPolls();
  EXPECT_EQ(Serving()->catalogue(), nullptr);
}

TEST_F(LoaderCatalogueRestart, ARejectedCatalogueIsRememberedAndNotFetchedAgain) {
  StartWithPair();
  store_.PublishCatalogue({.price_mean = 3.0});
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 2, kCatalogue));
  const int fetches = catalogue_script_->fetches_count;
  Restart();
  WaitForPolls();
  EXPECT_EQ(catalogue_script_->fetches_count, fetches);
  EXPECT_THAT(Status().catalogue_error, HasSubstr("price"));
}

}  // namespace
}  // namespace fmserve::loader
