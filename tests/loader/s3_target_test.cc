#include "loader/s3_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/loader/fake_bucket.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

class S3TargetTest : public ::testing::Test {
 protected:
  std::unique_ptr<S3Target> MakeTarget() {
    return std::make_unique<S3Target>(
        bucket_.MakeClient(), bucket_.location(),
        PublishOptions{.store = "s3://bucket/p",
                       .model = kModel,
                       .delta_from = PublishOptions::DeltaFrom::kNone},
        Artifact::kWeights);
  }
  static Manifest ManifestOf(uint64_t version) {
    return {.model = kModel, .version = version, .size_bytes = 3, .sha256 = std::string(64, 'a')};
  }
  static absl::Status Finish(S3Target& target, uint64_t version, const std::string& bytes = "abc") {
    absl::Status status = target.Append(std::as_bytes(std::span(bytes)));
    if (status.ok()) status = target.Finish();
    return status.ok() ? target.Commit(ManifestOf(version)) : status;
  }
  uint64_t Current() const { return ParseManifest(bucket_.Get("p/ctr/CURRENT"))->version; }
  std::string FileKey(uint64_t version) { return absl::StrCat("p/ctr/", WeightFileName(version)); }

  FakeBucket bucket_;
};

TEST_F(S3TargetTest, NothingIsVisibleBeforeItIsCommitted) {
  const auto target = MakeTarget();
  EXPECT_EQ(*target->Claim(3), 1U);
  EXPECT_FALSE(bucket_.Has(FileKey(1)));
  ASSERT_TRUE(Finish(*target, 1).ok());
  EXPECT_EQ(bucket_.Get(FileKey(1)), "abc");
  EXPECT_EQ(Current(), 1U);
}

TEST_F(S3TargetTest, UploadsLongFilesInPartsInTheirOrder) {
  std::string bytes(MultipartUpload::kMinPartBytes * 5 / 2, 'x');
  for (size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = static_cast<char>(i / 4096);
  const auto target = MakeTarget();
  ASSERT_EQ(*target->Claim(bytes.size()), 1U);
  ASSERT_TRUE(Finish(*target, 1, bytes).ok());
  EXPECT_TRUE(bucket_.Get(FileKey(1)) == bytes);
}

TEST_F(S3TargetTest, TheNumberFollowsTheManifestFilesAndClaims) {
  bucket_.Put("p/ctr/CURRENT", SerializeManifest(ManifestOf(20)));
  EXPECT_EQ(*MakeTarget()->Claim(3), 21U);
  EXPECT_EQ(*MakeTarget()->Claim(3), 22U) << "that of a dead publisher is not given again";
  bucket_.Put(FileKey(30), "left by somebody");
  EXPECT_EQ(*MakeTarget()->Claim(3), 31U);
}

TEST_F(S3TargetTest, DoesNotGuessWhenTheManifestCannotBeRead) {
  bucket_.Put("p/ctr/CURRENT", "{");
  EXPECT_THAT(std::string(MakeTarget()->Claim(3).status().message()), HasSubstr("p/ctr/CURRENT"));
}

TEST_F(S3TargetTest, InTheOrderOfTheirNumbersBothArePublished) {
  const auto first = MakeTarget();
  const auto second = MakeTarget();
  ASSERT_EQ(*first->Claim(3), 1U);
  ASSERT_EQ(*second->Claim(3), 2U);
  EXPECT_TRUE(Finish(*first, 1).ok());
  EXPECT_TRUE(Finish(*second, 2).ok());
  EXPECT_EQ(Current(), 2U);
}

TEST_F(S3TargetTest, TheLowerNumberThatComesLaterHasLost) {
  const auto first = MakeTarget();
  const auto second = MakeTarget();
  ASSERT_EQ(*first->Claim(3), 1U);
  ASSERT_EQ(*second->Claim(3), 2U);
  EXPECT_TRUE(Finish(*second, 2).ok());
  const absl::Status lost = Finish(*first, 1);
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_THAT(std::string(lost.message()), HasSubstr("version 2 was published meanwhile"));
  EXPECT_EQ(Current(), 2U);
}

TEST_F(S3TargetTest, WhereConditionsAreIgnoredTheLastClaimCounts) {
  bucket_.ignores_conditions = true;
  const auto first = MakeTarget();
  ASSERT_EQ(*first->Claim(3), 1U);
  bucket_.Put(absl::StrCat("p/ctr/", ClaimName(1)), "another's, a moment later");
  const absl::Status lost = Finish(*first, 1);
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_THAT(std::string(lost.message()), HasSubstr("claimed by another publisher"));
  EXPECT_FALSE(bucket_.Has(FileKey(1)));
  EXPECT_FALSE(bucket_.Has("p/ctr/CURRENT"));
}

}  // namespace
}  // namespace fmserve::loader
