#include "s3/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kConfig[] =
    "# a comment\n"
    "outside = 1\n"
    "[default]\n"
    "region=eu-west-1   ; why\n"
    "s3 =\n"
    "  endpoint_url = http://nested\n"
    "[profile  prod ]\r\n"
    "REGION = eu-central-1 # why\r\n"
    "output\r\n"
    "[prod]\n"
    "region = not a profile\n"
    "[services prod]\n"
    "region = no\n";

TEST(ProfileTest, SectionsOfTheConfigAreCalledProfile) {
  const SectionSettings prod = ParseSection(kConfig, "prod", /*is_config=*/true);
  EXPECT_TRUE(prod.found);
  EXPECT_THAT(prod.settings, UnorderedElementsAre(Pair("region", "eu-central-1")));
  const SectionSettings standard = ParseSection(kConfig, "default", /*is_config=*/true);
  EXPECT_THAT(standard.settings, UnorderedElementsAre(Pair("region", "eu-west-1"), Pair("s3", "")));
  EXPECT_FALSE(ParseSection(kConfig, "other", /*is_config=*/true).found);
}

TEST(ProfileTest, SectionsOfTheCredentialsAreNot) {
  const SectionSettings section =
      ParseSection("[prod]\naws_secret_access_key = a=b/c+d\n[x", "prod", /*is_config=*/false);
  EXPECT_THAT(section.settings, UnorderedElementsAre(Pair("aws_secret_access_key", "a=b/c+d")));
}

TEST(ProfileTest, CredentialsGoBeforeTheConfig) {
  const std::string home = absl::StrCat(::testing::TempDir(), "s3_profile_test_", getpid());
  const std::string folder = home + "/.aws";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/config") << "[profile p]\nregion = r\naws_access_key_id = config\n";
  std::ofstream(folder + "/credentials") << "[p]\naws_access_key_id = credentials\n";
  FakeEnvironment environment;
  environment.Set("HOME", home);
  EXPECT_FALSE(LoadProfile("", environment.Get())->found);
  environment.Set("AWS_PROFILE", "p");
  const auto profile = LoadProfile("", environment.Get());
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_TRUE(profile->found);
  EXPECT_TRUE(profile->named);
  EXPECT_EQ(profile->Get("region"), "r");
  EXPECT_EQ(profile->Get("aws_access_key_id"), "credentials");
  std::filesystem::remove_all(home);
  EXPECT_FALSE(LoadProfile("", environment.Get())->found);
}

TEST(ProfileTest, RefusesAFileThatIsNone) {
  FakeEnvironment environment;
  environment.Set("AWS_CONFIG_FILE", ::testing::TempDir());
  EXPECT_TRUE(absl::IsFailedPrecondition(LoadProfile("", environment.Get()).status()));
}

}  // namespace
}  // namespace fmserve::s3
