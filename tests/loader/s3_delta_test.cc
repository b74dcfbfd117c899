// What a publisher to S3 leaves beside a version for servers that have another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "loader/delta.h"
#include "loader/s3_target.h"
#include "loader/scratch_folder.h"
#include "tests/loader/fake_bucket.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using DeltaFrom = PublishOptions::DeltaFrom;

// A folder that TMPDIR names while this is there.
class TemporaryFolderOfTest {
 public:
  TemporaryFolderOfTest() : before_(TemporaryFolder()) { Set(folder_.path()); }
  TemporaryFolderOfTest(const TemporaryFolderOfTest&) = delete;
  TemporaryFolderOfTest& operator=(const TemporaryFolderOfTest&) = delete;
  ~TemporaryFolderOfTest() { Set(before_); }
  static void Set(const std::string& path) { setenv("TMPDIR", path.c_str(), 1); }
  const std::string& path() const { return folder_.path(); }

 private:
  const std::string before_;
  TestFolder folder_;
};

class S3DeltaTest : public ::testing::Test {
 protected:
  static constexpr int kManyRows = 2000;  // for deltas to be worth it

  static std::string Key(const std::string& name) { return absl::StrCat("p/ctr/", name); }
  static std::string DeltaKey() { return Key(DeltaFileName(1, 2)); }
  std::string BytesOf(uint64_t version) const {
    return store_.Bytes(
        {.w0 = static_cast<double>(version), .version = version, .rows_count = kManyRows});
  }
  Manifest Current() const { return *ParseManifest(bucket_.Get(Key("CURRENT"))); }

  // Claims and uploads the next version.
  void Upload(S3Target& target, uint64_t version) {
    const std::string bytes = BytesOf(version);
    manifest_ = {.model = kModel,
                 .version = version,
                 .size_bytes = bytes.size(),
                 .sha256 = Sha256Hex(bytes)};
    ASSERT_EQ(*target.Claim(bytes.size()), version);
    ASSERT_TRUE(target.Append(std::as_bytes(std::span(bytes))).ok());
    ASSERT_TRUE(target.Finish().ok());
  }
  std::unique_ptr<S3Target> MakeTarget() {
    options_.model = kModel;
    return std::make_unique<S3Target>(bucket_.MakeClient(), bucket_.location(), options_,
                                      Artifact::kWeights);
  }
  // What became of the delta.
  absl::Status Publish(uint64_t version) {
    const auto target = MakeTarget();
    Upload(*target, version);
    absl::Status added = target->AddDelta(manifest_, model::NeverStop);
    EXPECT_TRUE(target->Commit(manifest_).ok());
    return added;
  }
  int CountGets(const std::string& name) const {
    int count = 0;
    for (const s3::ServedRequest& request : bucket_.requests())
      if (request.method == "GET" && absl::EndsWith(request.target, "/" + name)) ++count;
    return count;
  }
  void ExpectNoDelta() const {
    EXPECT_EQ(Current().version, 2U);
    EXPECT_THAT(Current().deltas, IsEmpty());
    EXPECT_FALSE(bucket_.Has(DeltaKey()));
    EXPECT_THAT(ListFolder(scratch_.path()), IsEmpty());
  }

  TestStore store_;
  TemporaryFolderOfTest scratch_;
  FakeBucket bucket_;
  PublishOptions options_;
  Manifest manifest_;
};

TEST_F(S3DeltaTest, IsFromTheVersionThatTheManifestNames) {
  ASSERT_TRUE(Publish(1).ok());
  EXPECT_THAT(Current().deltas, IsEmpty());
  ASSERT_TRUE(Publish(2).ok());
  ASSERT_THAT(Current().deltas, ElementsAre(manifest_.deltas.at(0)));
  const ManifestDelta delta = Current().deltas[0];
  EXPECT_EQ(delta.base_version, 1U);
  EXPECT_EQ(delta.base_sha256, Sha256Hex(BytesOf(1)));
  EXPECT_EQ(delta.file, DeltaFileName(1, 2));
  const std::string bytes = bucket_.Get(DeltaKey());
  EXPECT_EQ(delta.size_bytes, bytes.size());
  EXPECT_EQ(delta.sha256, Sha256Hex(bytes));
  EXPECT_THAT(ListFolder(scratch_.path()), IsEmpty()) << "the scratch folder is gone";
  const TestFolder folder;
  WriteFile(folder.Path("base"), BytesOf(1));
  WriteFile(folder.Path("delta"), bytes);
  const auto applied = ApplyDelta(folder.Path("base"), folder.Path("delta"), folder.Path("made"),
                                  1 << 30, model::NeverStop);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(ReadFile(folder.Path("made")) == bucket_.Get(Key(WeightFileName(2))));
}

TEST_F(S3DeltaTest, OfNoneNothingIsFetchedOrWritten) {
  options_.delta_from = DeltaFrom::kNone;
  TemporaryFolderOfTest::Set("/nonexistent");
  EXPECT_TRUE(Publish(1).ok());
  EXPECT_TRUE(Publish(2).ok());
  EXPECT_EQ(CountGets(WeightFileName(1)), 0);
  ExpectNoDelta();
}

TEST_F(S3DeltaTest, AFirstVersionNeedsNoScratch) {
  TemporaryFolderOfTest::Set("/nonexistent");
  EXPECT_TRUE(Publish(1).ok());
}

TEST_F(S3DeltaTest, WithoutScratchTheVersionIsPublishedAllTheSame) {
  ASSERT_TRUE(Publish(1).ok());
  TemporaryFolderOfTest::Set("/nonexistent");
  EXPECT_THAT(std::string(Publish(2).message()), HasSubstr("/nonexistent"));
  EXPECT_EQ(CountGets(WeightFileName(1)), 0);
  ExpectNoDelta();
}

TEST_F(S3DeltaTest, WhatFindsNoRoomIsNotBegun) {
  ASSERT_TRUE(Publish(1).ok());
  const auto target = MakeTarget();
  ASSERT_TRUE(target->Claim(uint64_t{1} << 60).ok());
  EXPECT_THAT(ListFolder(scratch_.path()), IsEmpty());
  Manifest manifest{.model = kModel, .version = 2};
  const absl::Status status = target->AddDelta(manifest, model::NeverStop);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(scratch_.path() + ": making a delta needs"));
  EXPECT_EQ(CountGets(WeightFileName(1)), 0);
}

TEST_F(S3DeltaTest, ByNameTheBaseIsTheFileThatIsNamed) {
  ASSERT_TRUE(Publish(1).ok());
  const TestFolder folder;
  options_.delta_from = DeltaFrom::kFile;
  options_.delta_base = folder.Path("base.fmw");
  WriteFile(options_.delta_base, BytesOf(1));
  ASSERT_TRUE(Publish(2).ok());
  ASSERT_EQ(Current().deltas.size(), 1U);
  EXPECT_EQ(Current().deltas[0].base_version, 1U);
  EXPECT_EQ(CountGets(WeightFileName(1)), 0);
}

TEST_F(S3DeltaTest, ByNameItFailsBeforeAnythingIsUploaded) {
  options_.delta_from = DeltaFrom::kFile;
  options_.delta_base = "base.fmw";
  EXPECT_TRUE(absl::IsResourceExhausted(MakeTarget()->Claim(uint64_t{1} << 60).status()));
  TemporaryFolderOfTest::Set("/nonexistent");
  EXPECT_TRUE(absl::IsAborted(MakeTarget()->Claim(3).status()));
  for (const s3::ServedRequest& request : bucket_.requests()) EXPECT_NE(request.method, "POST");
}

TEST_F(S3DeltaTest, IsNotMadeFromABaseThatIsNotWhatTheManifestSays) {
  ASSERT_TRUE(Publish(1).ok());
  std::string bytes = BytesOf(1);
  bytes[bytes.size() / 2] ^= 1;
  bucket_.Put(Key(WeightFileName(1)), bytes);
  const absl::Status damaged = Publish(2);
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_THAT(std::string(damaged.message()), HasSubstr("version 1, the base of a delta"));
  ExpectNoDelta();
}

TEST_F(S3DeltaTest, IsNotMadeFromABaseThatIsGone) {
  ASSERT_TRUE(Publish(1).ok());
  bucket_.Remove(Key(WeightFileName(1)));
  EXPECT_TRUE(absl::IsNotFound(Publish(2)));
  ExpectNoDelta();
}

TEST_F(S3DeltaTest, IsNotNamedWhenItCannotBeUploaded) {
  ASSERT_TRUE(Publish(1).ok());
  bucket_.refused = DeltaKey();
  EXPECT_TRUE(absl::IsPermissionDenied(Publish(2)));
  ExpectNoDelta();
}

TEST_F(S3DeltaTest, IsFromWhatWasPublishedMeanwhile) {
  ASSERT_TRUE(Publish(1).ok());
  const auto slow = MakeTarget();
  ASSERT_EQ(*slow->Claim(BytesOf(2).size()), 2U);
  const auto slower = MakeTarget();
  Upload(*slower, 3);
  const Manifest third = manifest_;
  bucket_.Put(Key(WeightFileName(2)), BytesOf(2));
  manifest_ = {.model = kModel,
               .version = 2,
               .size_bytes = BytesOf(2).size(),
               .sha256 = Sha256Hex(BytesOf(2))};
  bucket_.Put(Key("CURRENT"), SerializeManifest(manifest_));
  manifest_ = third;
  ASSERT_TRUE(slower->AddDelta(manifest_, model::NeverStop).ok());
  ASSERT_EQ(manifest_.deltas.size(), 1U);
  EXPECT_EQ(manifest_.deltas[0].base_version, 2U);
}

TEST_F(S3DeltaTest, IsNotMadeForWhoHasLost) {
  ASSERT_TRUE(Publish(1).ok());
  const auto slow = MakeTarget();
  Upload(*slow, 2);
  Manifest newer = Current();
  newer.version = 9;
  bucket_.Put(Key("CURRENT"), SerializeManifest(newer));
  EXPECT_TRUE(slow->AddDelta(manifest_, model::NeverStop).ok());
  EXPECT_THAT(manifest_.deltas, IsEmpty());
  EXPECT_TRUE(absl::IsAborted(slow->Commit(manifest_)));
}

TEST_F(S3DeltaTest, ACommitThatIsTriedAgainKeepsIt) {
  ASSERT_TRUE(Publish(1).ok());
  const auto target = MakeTarget();
  Upload(*target, 2);
  ASSERT_TRUE(target->AddDelta(manifest_, model::NeverStop).ok());
  bucket_.conflicts_left = 2;  // with If-Match as AWS and as Ceph wants it
  ASSERT_TRUE(target->Commit(manifest_).ok());
  EXPECT_EQ(bucket_.conflicts_left, 0);
  EXPECT_EQ(Current().version, 2U);
  EXPECT_EQ(Current().deltas.size(), 1U);
}

TEST_F(S3DeltaTest, CataloguesHaveNone) {
  ASSERT_TRUE(Publish(1).ok());
  options_.delta_from = DeltaFrom::kAuto;
  options_.model = kModel;
  TemporaryFolderOfTest::Set("/nonexistent");
  S3Target target(bucket_.MakeClient(), bucket_.location(), options_, Artifact::kCatalogue);
  bucket_.Put("p/ctr/catalogue/CURRENT", bucket_.Get(Key("CURRENT")));
  EXPECT_EQ(*target.Claim(3), 2U);
  Manifest manifest;
  EXPECT_TRUE(target.AddDelta(manifest, model::NeverStop).ok());
}

}  // namespace
}  // namespace fmserve::loader
