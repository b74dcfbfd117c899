// Weights and catalogue serve as a pair, whichever of them is new.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

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

TEST_F(LoaderCatalogue, AStoreWhoseAnswersCostIsSeldomAskedForACatalogueThatItDoesNotHave) {
  options_.polls_per_absent_catalogue = 1'000'000;
  Start();
  PublishAndServe();
  WaitForPolls();
  const int asked = catalogue_script_->polls_count;
  for (int i = 0; i < 5; ++i) WaitForPolls();
  EXPECT_EQ(catalogue_script_->polls_count, asked);
  store_.PublishCatalogue({});
  ASSERT_TRUE(loader_->Reload(Soon()).ok()) << "an operator who asks is answered now";
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1));
  const int found = catalogue_script_->polls_count;
  WaitForPolls();
  EXPECT_GT(catalogue_script_->polls_count, found) << "as often as for weights, since it is there";
}

TEST_F(LoaderCatalogue, ACatalogueThatComesWithNewWeightsIsNoticedWithThem) {
  options_.polls_per_absent_catalogue = 1'000'000;
  Start();
  PublishAndServe();
  WaitForPolls();
  store_.PublishCatalogue({});
  PublishNext();
  EXPECT_TRUE(ComesToServePair(*loader_, 2, 1));
}

TEST_F(LoaderCatalogue, ItIsAskedForAgainAfterSoManyPolls) {
  options_.polls_per_absent_catalogue = 3;
  Start();
  PublishAndServe();
  WaitForPolls();
  store_.PublishCatalogue({});
  EXPECT_TRUE(ComesToServePair(*loader_, 1, 1));
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

TEST_F(LoaderCatalogue, OperatorsSeeWhatIsKnownOfCatalogues) {
  StartWithPair();
  store_.PublishCatalogue({.items_count = 5});
  ASSERT_TRUE(ComesToServePair(*loader_, 1, 2));
  catalogue_script_->stall = true;
  const Manifest third = store_.PublishCatalogue({.price_mean = 3.0});
  ASSERT_TRUE(Eventually([&] { return catalogue_script_->stalling.load(); }));
  EXPECT_EQ(Status().loading_catalogue_version, 3U);
  EXPECT_EQ(Status().load_state, LoadState::kFetching);
  EXPECT_EQ(Listed(3, kCatalogue).state, VersionState::kAvailable);
  catalogue_script_->stall = false;
  ASSERT_TRUE(log_.WaitFor(Kind::kRejected, 3, kCatalogue));
  EXPECT_EQ(Status().loading_catalogue_version, 0U);
  EXPECT_EQ(loader_->ListVersions(kCatalogue).size(), 3U);
  EXPECT_EQ(Listed(3, kCatalogue).state, VersionState::kRejected);
  EXPECT_EQ(Listed(3, kCatalogue).size_bytes, third.size_bytes);
  EXPECT_EQ(Listed(2, kCatalogue).state, VersionState::kServing);
  EXPECT_EQ(Listed(1, kCatalogue).state, VersionState::kPrevious);
  EXPECT_EQ(Listed(2, kCatalogue).published_unix_us, Status().catalogue_published_unix_us);
  EXPECT_EQ(loader_->ListVersions().size(), 1U) << "the weights' versions are others";
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
  EXPECT_THAT(ListFolder(store_.cache()),
              ::testing::ElementsAre(".lock", FileName(kCatalogue, 1), WeightFileName(1),
                                     "history.jsonl", "state.json"));
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

TEST_F(LoaderCatalogue, KeepsTheLastCataloguesCachedAndCountsWhatIsSharedOnce) {
  options_.cached_versions = 2;
  StartWithPair();
  for (uint64_t version = 2; version <= 5; ++version) {
    store_.PublishCatalogue({});
    ASSERT_TRUE(ComesToServePair(*loader_, 1, version));
  }
  EXPECT_TRUE(Eventually([&] {
    return ListFolder(store_.cache()) ==
           std::vector<std::string>{
               ".lock",         WeightFileName(1), FileName(kCatalogue, 4), FileName(kCatalogue, 5),
               "history.jsonl", "state.json"};
  }));
  const uint64_t weights_bytes = std::filesystem::file_size(store_.WeightPath(1));
  EXPECT_TRUE(Eventually([&] {
    const ModelStatus status = Status();
    return status.snapshot_bytes == weights_bytes + 2 * status.catalogue_bytes;
  }));
}

}  // namespace
}  // namespace fmserve::loader
