#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Page(const std::vector<std::string>& keys, const std::string& next) {
  std::string xml = "<ListBucketResult>";
  for (const std::string& key : keys) {
    absl::StrAppend(&xml, "<Contents><Key>", key, "</Key><Size>1</Size></Contents>");
  }
  if (!next.empty()) {
    absl::StrAppend(&xml, "<IsTruncated>true</IsTruncated><NextContinuationToken>", next,
                    "</NextContinuationToken>");
  }
  return Answer(200, "", xml + "</ListBucketResult>");
}

class ListTest : public S3ClientTest {
 protected:
  static std::vector<std::string> Keys(const Listing& listing) {
    std::vector<std::string> keys;
    for (const ListedObject& object : listing.objects) keys.push_back(object.key);
    return keys;
  }
};

TEST_F(ListTest, GoesThroughAllPages) {
  Serve([](const ServedRequest& request) {
    return absl::StrContains(request.target, "continuation-token=t%2B1") ? Page({"c"}, "")
                                                                         : Page({"a", "b"}, "t+1");
  });
  const auto listing = client_->List("dir/", {.start_after = "dir/a b", .delimiter = "/"});
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_EQ(Keys(*listing), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_FALSE(listing->more);
  const auto requests = server_->requests();
  EXPECT_EQ(requests[0].target,
            "/bucket/?delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix=dir%2F&"
            "start-after=dir%2Fa%20b");
  EXPECT_THAT(requests[1].target, Not(HasSubstr("start-after")));
}

TEST_F(ListTest, StopsAtTheLimit) {
  Serve([](const ServedRequest&) { return Page({"a", "b"}, "t1"); });
  const auto listing = client_->List("", {.limit = 2});
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_TRUE(listing->more);
  EXPECT_EQ(server_->requests().size(), 1u);
  EXPECT_THAT(server_->requests()[0].target, HasSubstr("max-keys=2"));
}

TEST_F(ListTest, RefusesPagesThatDoNotGetOn) {
  AnswerWith(Page({}, "same"));
  EXPECT_TRUE(absl::IsInternal(client_->List("").status()));
  AnswerWith(Page({"a", "b", "c"}, ""));
  EXPECT_TRUE(absl::IsInternal(client_->List("", {.limit = 2}).status()));
  AnswerWith(Answer(200, "", "<html>portal</html>"));
  const absl::Status status = client_->List("models/").status();
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("list s3://bucket/models/: "));
}

TEST_F(ListTest, ListsUploadsInProgress) {
  Serve([](const ServedRequest& request) {
    const bool second = absl::StrContains(request.target, "key-marker=k1");
    return Answer(200, "",
                  absl::StrCat("<ListMultipartUploadsResult>",
                               second ? ""
                                      : "<IsTruncated>true</IsTruncated><NextKeyMarker>k1"
                                        "</NextKeyMarker><NextUploadIdMarker>id1"
                                        "</NextUploadIdMarker>",
                               "<Upload><Key>", second ? "k2" : "k1", "</Key><UploadId>id",
                               "</UploadId></Upload></ListMultipartUploadsResult>"));
  });
  const auto uploads = client_->ListUploads("k", 10);
  ASSERT_TRUE(uploads.ok()) << uploads.status();
  ASSERT_EQ(uploads->size(), 2u);
  EXPECT_EQ(uploads->at(1).key, "k2");
  EXPECT_EQ(server_->requests()[0].target,
            "/bucket/?encoding-type=url&max-uploads=10&prefix=k&uploads=");
  EXPECT_EQ(client_->ListUploads("k", 1)->size(), 1u);
  EXPECT_TRUE(absl::IsInvalidArgument(client_->ListUploads("k", 0).status()));
}

}  // namespace
}  // namespace fmserve::s3
