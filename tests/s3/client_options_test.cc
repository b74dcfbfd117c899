#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::HasSubstr;

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() : folder_(absl::StrCat(::testing::TempDir(), "s3_options_test_", getpid())) {
    std::filesystem::create_directories(folder_);
    environment_.Set("AWS_CONFIG_FILE", folder_ + "/config");
    environment_.Set("AWS_SHARED_CREDENTIALS_FILE", folder_ + "/credentials");
  }
  ~OptionsTest() override { std::filesystem::remove_all(folder_); }

  std::string Description(const ClientOptions& options, const std::string& bucket = "ads") {
    const auto client = Client::Create(bucket, options, environment_.Get());
    return client.ok() ? (*client)->Describe() : client.status().ToString();
  }

  const std::string folder_;
  FakeEnvironment environment_;
};

TEST_F(OptionsTest, GoesToAwsByDefault) {
  EXPECT_EQ(Description({}),
            "bucket ads at https://ads.s3.us-east-1.amazonaws.com, region us-east-1, credentials "
            "not found yet");
  EXPECT_THAT(Description({.region = "eu-west-1", .addressing = Addressing::kPath}),
              HasSubstr("at https://s3.eu-west-1.amazonaws.com, region eu-west-1"));
  // No certificate covers a name with dots.
  EXPECT_THAT(Description({}, "ads.eu"), HasSubstr("at https://s3.us-east-1.amazonaws.com,"));
}

TEST_F(OptionsTest, AnEndpointOfOnesOwnIsAddressedByPath) {
  EXPECT_THAT(Description({.endpoint_url = "http://store:9000"}),
              HasSubstr("at http://store:9000,"));
  EXPECT_THAT(
      Description({.endpoint_url = "http://store:9000", .addressing = Addressing::kVirtualHost}),
      HasSubstr("at http://ads.store:9000,"));
}

TEST_F(OptionsTest, FallsBackToVariablesThenToTheProfile) {
  std::ofstream(folder_ + "/config") << "[default]\nregion = profile-1\n"
                                        "endpoint_url = http://profile\n";
  EXPECT_THAT(Description({}), HasSubstr("http://profile, region profile-1"));
  environment_.Set("AWS_DEFAULT_REGION", "default-1");
  environment_.Set("AWS_ENDPOINT_URL", "http://any");
  EXPECT_THAT(Description({}), HasSubstr("http://any, region default-1"));
  environment_.Set("AWS_REGION", "region-1");
  environment_.Set("AWS_ENDPOINT_URL_S3", "http://s3");
  EXPECT_THAT(Description({}), HasSubstr("http://s3, region region-1"));
  EXPECT_THAT(Description({.endpoint_url = "http://own", .region = "own-1"}),
              HasSubstr("http://own, region own-1"));
}

TEST_F(OptionsTest, RefusesWhatCannotBeMeant) {
  for (const ClientOptions& options :
       {ClientOptions{.endpoint_url = "store:9000"}, ClientOptions{.region = "a/b"},
        ClientOptions{.ca_file = "/nowhere/ca.pem"}, ClientOptions{.profile = "nobody"},
        ClientOptions{.connect_timeout_ms = 0}, ClientOptions{.stall_bytes_per_second = 0},
        ClientOptions{.stall_seconds = 3'601}}) {
    EXPECT_THAT(Description(options), HasSubstr("INVALID_ARGUMENT"));
  }
  EXPECT_THAT(Description({}, "Ads"), HasSubstr("'Ads' is no bucket name"));
  environment_.Set("AWS_PROFILE", "nobody");
  EXPECT_THAT(Description({}), HasSubstr("profile 'nobody' is in neither"));
}

}  // namespace
}  // namespace fmserve::s3
