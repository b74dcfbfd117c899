#include "s3/signing.h"

#include <gtest/gtest.h>

#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// "Signature=…" of the Authorization header.
std::string SignatureOf(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if (name == "Authorization") return value.substr(value.find("Signature=") + 10);
  }
  return "";
}

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
class PublishedExampleTest : public ::testing::Test {
 protected:
  static std::string Signature(UnsignedRequest request) {
    request.headers.emplace_back("Host", "examplebucket.s3.amazonaws.com");
    if (request.payload_sha256.empty()) request.payload_sha256 = kEmptySha256;
    const absl::Time time =
        absl::FromCivil(absl::CivilSecond(2013, 5, 24, 0, 0, 0), absl::UTCTimeZone());
    return SignatureOf(Sign(request,
                            {.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                             .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
                            "us-east-1", time));
  }
};

TEST_F(PublishedExampleTest, GetsARange) {
  EXPECT_EQ(Signature({.method = "GET", .path = "/test.txt", .headers = {{"Range", "bytes=0-9"}}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(PublishedExampleTest, PutsAnObject) {
  EXPECT_EQ(Signature({.method = "PUT",
                       .path = "/" + UriEncodePath("test$file.text"),
                       .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                   {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                       .payload_sha256 = Sha256Hex(AsBytes("Welcome to Amazon S3."))}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_F(PublishedExampleTest, AsksForAParameterWithoutValue) {
  EXPECT_EQ(Signature({.method = "GET", .path = "/", .query = CanonicalQuery({{"lifecycle", ""}})}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_F(PublishedExampleTest, Lists) {
  EXPECT_EQ(Signature({.method = "GET",
                       .path = "/",
                       .query = CanonicalQuery({{"prefix", "J"}, {"max-keys", "2"}})}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

struct OddKey {
  const char* key;
  const char* path;
  const char* signature;  // by botocore 1.43's S3SigV4Auth
};

class OddKeyTest : public ::testing::TestWithParam<OddKey> {};

TEST_P(OddKeyTest, IsEncodedAndSignedLikeBotocore) {
  const OddKey& odd = GetParam();
  const std::string path = "/bucket/" + UriEncodePath(odd.key);
  EXPECT_EQ(path, std::string("/bucket/") + odd.path);
  const HttpHeaders headers =
      Sign({.method = "GET",
            .path = path,
            .headers = {{"If-None-Match", "\"abc\""}, {"Host", "127.0.0.1:7480"}},
            .payload_sha256 = kEmptySha256},
           {.access_key_id = "AKIDEXAMPLE",
            .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            .session_token = "the/session+token="},
           "eu-central-1",
           absl::FromCivil(absl::CivilSecond(2026, 3, 1, 12, 0, 0), absl::UTCTimeZone()));
  EXPECT_EQ(SignatureOf(headers), odd.signature);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, OddKeyTest,
    ::testing::Values(OddKey{"plain/key.fmw", "plain/key.fmw",
                             "8bcffb85d9ffdc3aaf5e05b222add6640612ef6aaaccba78db9f93274d9df56f"},
                      OddKey{"with space+plus", "with%20space%2Bplus",
                             "368de8e191224a64f049d279794e19ad916cbbe323a068a8b9d85edd165da490"},
                      OddKey{"slash//double", "slash//double",
                             "19562e4f744225a374c6ad673e60e8b223575ea8d298509a9a2347e2b025f6cb"},
                      OddKey{"\xc3\xbc/\xce\xbb", "%C3%BC/%CE%BB",
                             "3741d3f8126bc1aafa321faca7c3f8ea6e26ca2ad0883d2cc80cf0022b65bf25"},
                      OddKey{"a*b~c(d)!'$&@=;:,?%#[]",
                             "a%2Ab~c%28d%29%21%27%24%26%40%3D%3B%3A%2C%3F%25%23%5B%5D",
                             "c04a486edcfbc785cdad3ac8750a4eea319eaef276efae0c2c9ccb92e74c49d4"}));

}  // namespace
}  // namespace fmserve::s3
