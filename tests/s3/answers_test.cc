#include "s3/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace fmserve::s3 {
namespace {

TEST(AnswersTest, ReadsErrorsOfS3AndOfSts) {
  const ErrorAnswer s3 = ParseError(
      "\n  <?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>m &amp; "
      "n</Message><Region>eu-west-1</Region><RequestId>R1</RequestId></Error>");
  EXPECT_EQ(s3.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(s3.message, "m & n");
  EXPECT_EQ(s3.region, "eu-west-1");
  EXPECT_EQ(s3.request_id, "R1");
  const ErrorAnswer sts = ParseError(
      "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
      "</Error><RequestId>R2</RequestId></ErrorResponse>");
  EXPECT_EQ(sts.code, "ExpiredTokenException");
  EXPECT_EQ(sts.request_id, "R2");
  EXPECT_EQ(ParseError("<html>").code, "");
  EXPECT_EQ(ParseError("").code, "");
}

constexpr char kListing[] = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>ads</Name>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>next=</NextContinuationToken>
<Contents><Key>a%20b%2Bc/%C3%BC</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified>
<ETag>&quot;e1&quot;</ETag><Size>18446744073709551615</Size></Contents>
<Contents><Key>b+c</Key><Size>0</Size></Contents>
<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>)";

TEST(AnswersTest, ReadsAPageOfAListing) {
  const auto page = ParseListPage(kListing);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "a b+c/\xc3\xbc");
  EXPECT_EQ(page->objects[0].info.etag, "\"e1\"");
  EXPECT_EQ(page->objects[0].info.size_bytes, 18446744073709551615u);
  EXPECT_EQ(page->objects[0].info.modified,
            absl::FromCivil(absl::CivilSecond(2026, 3, 1, 12, 0, 0), absl::UTCTimeZone()));
  EXPECT_EQ(page->objects[1].key, "b c");
  EXPECT_EQ(page->next, "next=");
}

TEST(AnswersTest, TakesKeysAsTheyAreWhereTheServerDoesNotEncode) {
  const auto page = ParseListPage(
      "<ListBucketResult><Contents><Key>a+b%20c</Key><Size>1</Size></Contents></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects.at(0).key, "a+b%20c");
  EXPECT_EQ(page->next, "");
}

TEST(AnswersTest, SaysThatAListingMakesNoSense) {
  for (const char* const xml :
       {"", "<html/>", "<ListBucketResult", "<ListBucketResult><Contents/></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_TRUE(absl::IsInternal(ParseListPage(xml).status())) << xml;
  }
}

// Cut anywhere, it is refused: no page ever looks shorter than it was.
TEST(AnswersTest, RefusesEveryBeginningOfAListing) {
  const std::string_view whole = kListing;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseListPage(whole.substr(0, size)).ok()) << size;
  }
}

TEST(AnswersTest, DoesNotExpandEntitiesOfADocument) {
  const std::string bomb =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY f SYSTEM "
      "\"file:///etc/passwd\">]><Error><Code>&b;&f;</Code></Error>";
  EXPECT_EQ(ParseError(bomb).code, "&b;&f;");
}

TEST(AnswersTest, WithstandsDeepNesting) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&deep, "<a>");
  EXPECT_EQ(ParseError(deep).code, "");
}

TEST(AnswersTest, ReadsUploads) {
  const auto page = ParseUploadsPage(
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextKeyMarker>k%2F1</NextKeyMarker><NextUploadIdMarker>id2</"
      "NextUploadIdMarker><Upload><Key>"
      "k%2F1</Key><UploadId>id1</UploadId><Initiated>2026-03-01T12:00:00Z</Initiated></Upload>"
      "</ListMultipartUploadsResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->uploads.at(0).key, "k/1");
  EXPECT_EQ(page->uploads.at(0).upload_id, "id1");
  EXPECT_NE(page->uploads.at(0).initiated, absl::InfinitePast());
  EXPECT_EQ(page->next_key, "k/1");
  EXPECT_EQ(page->next_upload_id, "id2");
  EXPECT_TRUE(absl::IsInternal(ParseUploadsPage("<x/>").status()));
  EXPECT_EQ(*ParseUploadId("<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                           "</InitiateMultipartUploadResult>"),
            "u");
  EXPECT_TRUE(absl::IsInternal(ParseUploadId("<InitiateMultipartUploadResult/>").status()));
  EXPECT_EQ(*ParseCompletedEtag("  <CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag>"
                                "</CompleteMultipartUploadResult>"),
            "\"e\"");
  EXPECT_TRUE(absl::IsInternal(ParseCompletedEtag("").status()));
}

TEST(AnswersTest, RefusesAnAssumedRoleThatLacksAPart) {
  const auto answer = [](const char* expiration) {
    return absl::StrCat(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>A</AccessKeyId><SecretAccessKey>hushhush</SecretAccessKey><SessionToken>T"
        "</SessionToken>",
        expiration,
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  };
  const auto good = ParseAssumedRole(answer("<Expiration>2026-03-01T13:00:00Z</Expiration>"));
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->session_token, "T");
  const auto bad = ParseAssumedRole(answer("<Expiration>tomorrow</Expiration>"));
  EXPECT_TRUE(absl::IsInternal(bad.status()));
  EXPECT_THAT(std::string(bad.status().message()),
              ::testing::Not(::testing::HasSubstr("hushhush")));
}

}  // namespace
}  // namespace fmserve::s3
