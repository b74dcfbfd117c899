#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s3/client.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"
#include "s3/names.h"

namespace fmserve::s3 {
namespace {

TEST(LocationTest, IsABucketAndAPrefix) {
  EXPECT_EQ(*ParseUrl("s3://ads"), (Location{.bucket = "ads"}));
  EXPECT_EQ(*ParseUrl("s3://ads/"), (Location{.bucket = "ads"}));
  EXPECT_EQ(*ParseUrl("s3://ads-2.eu/models/prod//"),
            (Location{.bucket = "ads-2.eu", .prefix = "models/prod"}));
  EXPECT_EQ(ParseUrl("s3://ads")->Key("ctr/CURRENT"), "ctr/CURRENT");
  EXPECT_EQ(ParseUrl("s3://ads/m")->Key("ctr/CURRENT"), "m/ctr/CURRENT");
}

TEST(LocationTest, RefusesWhatIsNone) {
  for (const std::string url :
       {"", "s3:/ads", "http://ads", "s3://", "s3:///prefix", "s3://a", "s3://Ads", "s3://ads_x",
        "s3://-ads", "s3://ads.", "s3://a..b", "s3://10.0.0.1", "s3://ads\n", "s3://ads//x",
        "s3://ads/x//y", "s3://ads/../y", "s3://ads/./y"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseUrl(url).status())) << url;
  }
  EXPECT_FALSE(ParseUrl("s3://" + std::string(64, 'a')).ok());
  EXPECT_FALSE(ParseUrl("s3://ads/" + std::string(513, 'a')).ok());
}

TEST(LocationTest, RefusesKeysThatServersUnderstandDifferently) {
  EXPECT_TRUE(CheckKey("a/b..c/.d").ok());
  EXPECT_TRUE(CheckKey(std::string(1024, 'k')).ok());
  for (const std::string& key : {std::string(), std::string(1025, 'k'), std::string(".."),
                                 std::string("a/../b"), std::string("a/.")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckKey(key))) << key;
  }
}

TEST(EndpointTest, IsASchemeAHostAndAPort) {
  EXPECT_EQ(ParseEndpoint("https://s3.example.com")->Url(), "https://s3.example.com");
  EXPECT_EQ(ParseEndpoint("https://s3.example.com:443/")->host, "s3.example.com");
  EXPECT_EQ(ParseEndpoint("http://127.0.0.1:7480")->Url(), "http://127.0.0.1:7480");
  EXPECT_EQ(ParseEndpoint("http://[::1]:7480")->host, "[::1]:7480");
}

TEST(EndpointTest, RefusesTheRestAndDoesNotRepeatAPassword) {
  for (const std::string url : {"", "s3.example.com", "ftp://host", "https://", "https://host/path",
                                "https://host?x", "https://user:hushhush@host", "https://ho st"}) {
    const absl::Status status = ParseEndpoint(url).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << url;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(::testing::HasSubstr("hushhush")));
  }
}

TEST(EndpointTest, AddressesABucketByPathOrByHost) {
  const Endpoint aws = AwsEndpoint("s3", "eu-central-1");
  EXPECT_EQ(aws.Url(), "https://s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(AwsEndpoint("sts", "cn-north-1").host, "sts.cn-north-1.amazonaws.com.cn");
  const BucketAddress path = AddressBucket(aws, "ads", /*virtual_host=*/false);
  EXPECT_EQ(path.endpoint.host, "s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(path.Path("a b"), "/ads/a%20b");
  const BucketAddress host = AddressBucket(aws, "ads", /*virtual_host=*/true);
  EXPECT_EQ(host.endpoint.host, "ads.s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(host.Path("a b"), "/a%20b");
  EXPECT_EQ(host.Path(""), "/");
}

TEST(EncodingTest, DecodesWhatItEncodes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(UriDecode(UriEncode(all)), all);
  EXPECT_EQ(UriDecode("a+b%2Bc%zz%4"), "a b+c%zz%4");
}

TEST(EncodingTest, SortsQueriesAsTheyAreSigned) {
  EXPECT_EQ(CanonicalQuery({{"uploads", ""}, {"prefix", "a/b &"}, {"max-keys", "2"}}),
            "max-keys=2&prefix=a%2Fb%20%26&uploads=");
}

TEST(EncodingTest, QuotesForeignTextOnOneLine) {
  EXPECT_EQ(Quoted("a\nb\x1b[31mc"), "a b [31mc");
  EXPECT_EQ(Quoted("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace fmserve::s3
