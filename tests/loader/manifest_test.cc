#include "loader/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

Manifest Example() {
  return {.model = "ctr",
          .version = 42,
          .size_bytes = 1024,
          .sha256 = std::string(64, 'a'),
          .published_unix_us = 1'800'000'000'123'456};
}

absl::Status ParseError(const std::string& text) { return ParseManifest(text).status(); }

TEST(Manifest, ComesBackAsItWasWritten) {
  const absl::StatusOr<Manifest> parsed = ParseManifest(SerializeManifest(Example()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
}

TEST(Manifest, WritesTheTimeInUtc) {
  EXPECT_THAT(SerializeManifest(Example()),
              HasSubstr("\"published\": \"2027-01-15T08:00:00.123456Z\""));
}

TEST(Manifest, KeysOfLaterVersionsAreIgnored) {
  std::string text = SerializeManifest(Example());
  text.insert(text.find('{') + 1, "\"signature\": [1, 2],");
  EXPECT_EQ(*ParseManifest(text), Example());
}

TEST(Manifest, ErrorsNameTheKey) {
  const std::string text = SerializeManifest(Example());
  const auto with = [&](const std::string& from, const std::string& to) {
    return std::string(ParseError(absl::StrReplaceAll(text, {{from, to}})).message());
  };
  EXPECT_THAT(with("\"version\": 42,", ""), HasSubstr("\"version\" is missing"));
  EXPECT_THAT(with("42", "-42"), HasSubstr("\"version\""));
  EXPECT_THAT(with("42", "4.5"), HasSubstr("\"version\""));
  EXPECT_THAT(with("42", "0"), HasSubstr("\"version\" is 0"));
  EXPECT_THAT(with("42", "1000000000000000001"), HasSubstr("10^18"));
  EXPECT_THAT(with("1024", "\"1024\""), HasSubstr("\"size_bytes\""));
  EXPECT_THAT(with("1024", "0"), HasSubstr("\"size_bytes\" is 0"));
  EXPECT_THAT(with("aaaa", "AAAA"), HasSubstr("\"sha256\""));
  EXPECT_THAT(with("aaaa", ""), HasSubstr("\"sha256\""));
  EXPECT_THAT(with("2027-01", "2027-13"), HasSubstr("\"published\""));
  EXPECT_THAT(with("\"ctr\"", "\"../ctr\""), HasSubstr("model name '../ctr'"));
}

Manifest WithDelta() {
  Manifest manifest = Example();
  manifest.deltas.push_back({.base_version = 41,
                             .base_sha256 = std::string(64, 'b'),
                             .size_bytes = 77,
                             .sha256 = std::string(64, 'c'),
                             .file = DeltaFileName(41, 42)});
  return manifest;
}

TEST(Manifest, DeltasComeBackAsTheyWereWritten) {
  EXPECT_EQ(DeltaFileName(41, 42), "00000000000000000042-from-00000000000000000041.fmd");
  EXPECT_EQ(*ParseManifest(SerializeManifest(WithDelta())), WithDelta());
  Manifest many = WithDelta();
  many.deltas.resize(kMaxManifestDeltas, many.deltas[0]);
  EXPECT_EQ(*ParseManifest(SerializeManifest(many)), many);
}

TEST(Manifest, DeltasThatLeadElsewhereAreRefused) {
  const std::string text = SerializeManifest(WithDelta());
  const auto with = [&](const std::string& from, const std::string& to) {
    return std::string(ParseError(absl::StrReplaceAll(text, {{from, to}})).message());
  };
  EXPECT_THAT(with("00000000000000000042-from", "../00000000000000000042-from"),
              HasSubstr("\"deltas\" 1: \"file\" is not 00000000000000000042-from-"));
  EXPECT_THAT(with("bbbb", "BBBB"), HasSubstr("\"deltas\" 1: \"base_sha256\""));
  EXPECT_THAT(with("cccc", ""), HasSubstr("\"deltas\" 1: "));
  EXPECT_THAT(with("77", "0"), HasSubstr("\"deltas\" 1: \"size_bytes\" is 0"));
  EXPECT_THAT(with("\"base_version\": 41", "\"base_version\": 0"), HasSubstr("\"base_version\""));
  Manifest many = WithDelta();
  many.deltas.resize(kMaxManifestDeltas + 1, many.deltas[0]);
  EXPECT_THAT(std::string(ParseError(SerializeManifest(many)).message()),
              HasSubstr("\"deltas\" is not a list of at most 8"));
}

TEST(Manifest, WhatIsNotOneJsonObjectIsRefused) {
  for (const std::string text : {"", "[]", "7", "{", "{}{}", "\xff\xfe"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseError(text))) << text;
  }
  const std::string text = SerializeManifest(Example());
  for (size_t size = 0; size + 2 < text.size(); ++size) {
    EXPECT_FALSE(ParseManifest(text.substr(0, size)).ok()) << "cut after " << size << " bytes";
  }
}

TEST(WeightFileName, SortsAsVersionsDo) {
  EXPECT_EQ(WeightFileName(7), "00000000000000000007.fmw");
  EXPECT_LT(WeightFileName(9), WeightFileName(10));
  EXPECT_LT(WeightFileName(10), WeightFileName(kMaxVersion));
}

TEST(WeightFileName, IsReadBackAndNothingElseIs) {
  EXPECT_EQ(ParseFileName(Artifact::kWeights, WeightFileName(7)), 7);
  EXPECT_EQ(ParseFileName(Artifact::kWeights, WeightFileName(kMaxVersion)), kMaxVersion);
  for (const char* name : {"7.fmw", "00000000000000000000.fmw", "00000000000000000007.fmx",
                           "CURRENT", "0000000000000000000x.fmw", "99999999999999999999.fmw",
                           "00000000000000000007.fmw.tmp-1-2", "+0000000000000000007.fmw"}) {
    EXPECT_EQ(ParseFileName(Artifact::kWeights, name), std::nullopt) << name;
  }
}

TEST(CheckModelName, TakesWhatIsSafeAsAFoldersName) {
  for (const std::string& name :
       {std::string("ctr"), std::string("A-1_b.2"), std::string(63, 'x')}) {
    EXPECT_TRUE(CheckModelName(name).ok()) << name;
  }
  for (const std::string name : {"", ".", "..", ".ctr", "a/b", "a b", "ctr\n", "caf\xc3\xa9"}) {
    EXPECT_FALSE(CheckModelName(name).ok()) << name;
  }
  EXPECT_FALSE(CheckModelName(std::string(64, 'x')).ok());
  EXPECT_FALSE(CheckModelName(std::string("a\0b", 3)).ok());
}

}  // namespace
}  // namespace fmserve::loader
