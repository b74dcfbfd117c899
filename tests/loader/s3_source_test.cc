#include "loader/s3_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/loader/fake_bucket.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class S3SourceTest : public ::testing::Test {
 protected:
  std::string KeyOf(uint64_t version) const {
    return absl::StrCat("p/ctr/", WeightFileName(version));
  }
  Manifest Publish(uint64_t version) {
    const Manifest manifest{.model = kModel,
                            .version = version,
                            .size_bytes = 3,
                            .sha256 = std::string(64, 'a'),
                            .published_unix_us = 1'700'000'000'000'000};
    bucket_.Put("p/ctr/CURRENT", SerializeManifest(manifest));
    return manifest;
  }
  absl::Status Fetch(const std::string& fingerprint, uint64_t begin = 0) {
    fetched_.clear();
    return source_.Fetch(1, fingerprint, begin, [&](std::span<const std::byte> bytes) {
      fetched_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return absl::OkStatus();
    });
  }
  static std::string DeltaKey() { return absl::StrCat("p/ctr/", DeltaFileName(1, 2)); }
  // Calls `underway` after the first piece.
  absl::Status FetchDelta(const std::function<void()>& underway = nullptr) {
    fetched_.clear();
    return source_.FetchDelta(DeltaFileName(1, 2), [&](std::span<const std::byte> bytes) {
      if (fetched_.empty() && underway) underway();
      fetched_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return absl::OkStatus();
    });
  }

  FakeBucket bucket_;
  S3Source source_{bucket_.MakeClient(),
                   bucket_.location(),
                   kModel,
                   Artifact::kWeights,
                   {.range_bytes = 4, .first_delay = std::chrono::milliseconds(1)}};
  std::string fetched_;
};

TEST_F(S3SourceTest, APollIsOneConditionalGet) {
  const Manifest first = Publish(1);
  EXPECT_EQ(*source_.Poll(), first);
  EXPECT_EQ(*source_.Poll(), first) << "kept, since the store says that it is the same";
  ASSERT_EQ(bucket_.requests().size(), 2U);
  EXPECT_EQ(bucket_.requests()[1].headers.at("if-none-match"), "\"1\"");
  const Manifest second = Publish(2);
  EXPECT_EQ(*source_.Poll(), second);
  EXPECT_EQ(bucket_.requests().size(), 3U);
}

TEST_F(S3SourceTest, SaysWhatIsMissingOrBroken) {
  EXPECT_TRUE(absl::IsNotFound(source_.Poll().status()));
  bucket_.Put("p/ctr/CURRENT", "{");
  const absl::Status broken = source_.Poll().status();
  EXPECT_TRUE(absl::IsInvalidArgument(broken));
  EXPECT_THAT(std::string(broken.message()), HasSubstr("s3://bucket/p/ctr/CURRENT: "));
  EXPECT_TRUE(absl::IsNotFound(source_.Fingerprint(1).status()));
}

TEST_F(S3SourceTest, FetchesInRangesFromWhereItIsTold) {
  bucket_.Put(KeyOf(1), "0123456789");
  const std::string fingerprint = *source_.Fingerprint(1);
  EXPECT_TRUE(Fetch(fingerprint).ok());
  EXPECT_EQ(fetched_, "0123456789");
  EXPECT_TRUE(Fetch(fingerprint, 7).ok());
  EXPECT_EQ(fetched_, "789");
}

TEST_F(S3SourceTest, NeverFetchesAnotherObjectThanTheOneAskedFor) {
  bucket_.Put(KeyOf(1), "0123456789");
  const std::string fingerprint = *source_.Fingerprint(1);
  bucket_.Put(KeyOf(1), "abcdefghij");
  EXPECT_NE(*source_.Fingerprint(1), fingerprint);
  const absl::Status changed = Fetch(fingerprint);
  EXPECT_TRUE(absl::IsUnavailable(changed)) << changed;
  EXPECT_THAT(std::string(changed.message()), HasSubstr("changed while it was read"));
  EXPECT_EQ(fetched_, "");
}

TEST_F(S3SourceTest, NotEvenFromAStoreThatKnowsNoConditions) {
  bucket_.ignores_conditions = true;
  bucket_.Put(KeyOf(1), "0123456789");
  const std::string fingerprint = *source_.Fingerprint(1);
  bucket_.Put(KeyOf(1), "abcdefghij");
  EXPECT_TRUE(absl::IsUnavailable(Fetch(fingerprint)));
  EXPECT_EQ(fetched_, "");
}

TEST_F(S3SourceTest, FetchesADeltaInRanges) {
  bucket_.Put(DeltaKey(), "0123456789");
  EXPECT_TRUE(FetchDelta().ok());
  EXPECT_EQ(fetched_, "0123456789");
  EXPECT_EQ(bucket_.requests().size(), 4U) << "a HEAD and three ranges";
}

TEST_F(S3SourceTest, NeverMixesTwoDeltas) {
  bucket_.Put(DeltaKey(), std::string(1000, 'a'));
  const absl::Status changed = FetchDelta([&] { bucket_.Put(DeltaKey(), std::string(1000, 'b')); });
  EXPECT_TRUE(absl::IsUnavailable(changed)) << changed;
  EXPECT_THAT(std::string(changed.message()), HasSubstr("changed while it was read"));
  EXPECT_EQ(fetched_.find('b'), std::string::npos);
}

TEST_F(S3SourceTest, SaysThatADeltaIsMissing) {
  const absl::Status missing = FetchDelta();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()), HasSubstr(DeltaKey()));
}

TEST_F(S3SourceTest, AFetchOfADeltaCanBeCancelled) {
  bucket_.Put(DeltaKey(), std::string(1000, 'a'));
  EXPECT_TRUE(absl::IsCancelled(FetchDelta([&] { source_.Cancel(); })));
  EXPECT_TRUE(absl::IsCancelled(FetchDelta()));
}

TEST_F(S3SourceTest, ListsVersionsNewestFirstAndNothingElse) {
  for (const uint64_t version : {9, 10, 2}) bucket_.Put(KeyOf(version), "x");
  bucket_.Put(absl::StrCat("p/ctr/", DeltaFileName(9, 10)), "x");
  bucket_.Put(absl::StrCat("p/ctr/", ClaimName(11)), "x");
  bucket_.Put("p/ctr/catalogue/CURRENT", "x");
  EXPECT_THAT(*source_.ListVersions(10), ElementsAre(10, 9, 2));
  EXPECT_THAT(*source_.ListVersions(2), ElementsAre(10, 9));
  Publish(10);
  ASSERT_TRUE(source_.Poll().ok());
  EXPECT_THAT(*source_.ListVersions(5), ElementsAre(10, 9)) << "of the last five numbers";
}

TEST_F(S3SourceTest, CancelEndsItForGood) {
  bucket_.Put(KeyOf(1), "0123456789");
  const std::string fingerprint = *source_.Fingerprint(1);
  source_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(Fetch(fingerprint)));
  EXPECT_TRUE(absl::IsCancelled(source_.Poll().status()));
}

}  // namespace
}  // namespace fmserve::loader
