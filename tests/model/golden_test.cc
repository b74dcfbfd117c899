#include "model/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace fmserve::model {
namespace {

using ::testing::HasSubstr;

const std::vector<Golden>& Examples() {
  static const auto* const examples =
      new std::vector<Golden>{{.cells = {"ann", "", "sport|news:2"}, .score = -1.25},
                              {.cells = {"", std::string("\0\xff", 2), "7"}, .score = 3e-9}};
  return *examples;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(GoldenTest, GoldensSurviveTheFile) {
  const absl::StatusOr<std::vector<Golden>> parsed = ParseGoldens(SerializeGoldens(Examples()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Examples());
}

TEST(GoldenTest, MetadataSurvivesTheFileInItsOrder) {
  const Metadata metadata = {
      {"option.k", "16"}, {"data.train.rows", "1000"}, {"metric.valid.logloss", ""}};
  const absl::StatusOr<Metadata> parsed = ParseMetadata(SerializeMetadata(metadata));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, metadata);
}

TEST(GoldenTest, NothingIsAValidSection) {
  EXPECT_EQ(ParseGoldens(SerializeGoldens({}))->size(), 0U);
  EXPECT_EQ(ParseMetadata(SerializeMetadata({}))->size(), 0U);
}

TEST(GoldenTest, EveryTruncationIsRefused) {
  const std::string goldens = SerializeGoldens(Examples());
  for (size_t size = 0; size < goldens.size(); ++size) {
    EXPECT_FALSE(ParseGoldens(goldens.substr(0, size)).ok()) << size;
  }
  const std::string metadata = SerializeMetadata({{"name", "value"}, {"n", ""}});
  for (size_t size = 0; size < metadata.size(); ++size) {
    EXPECT_FALSE(ParseMetadata(metadata.substr(0, size)).ok()) << size;
  }
}

TEST(GoldenTest, BytesLeftOverAreRefused) {
  EXPECT_THAT(Message(ParseGoldens(SerializeGoldens(Examples()) + "x").status()),
              HasSubstr("1 bytes left over"));
  EXPECT_THAT(Message(ParseMetadata(SerializeMetadata({}) + "xy").status()),
              HasSubstr("2 bytes left over"));
}

TEST(GoldenTest, ACountThatTheBytesCannotHoldIsRefusedBeforeAnythingIsReserved) {
  std::string goldens = SerializeGoldens(Examples());
  const uint32_t lie = kMaxGoldens;
  std::memcpy(goldens.data(), &lie, sizeof(lie));
  EXPECT_THAT(Message(ParseGoldens(goldens).status()),
              HasSubstr("a count of 10000, more than the"));
  const uint32_t beyond = kMaxGoldens + 1;
  std::memcpy(goldens.data(), &beyond, sizeof(beyond));
  EXPECT_THAT(Message(ParseGoldens(goldens).status()), HasSubstr("more than the 10000 allowed"));
}

TEST(GoldenTest, AScoreThatIsNotFiniteIsRefused) {
  for (const double score : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const std::string bytes = SerializeGoldens({{.cells = {"ann"}, .score = score}});
    EXPECT_THAT(Message(ParseGoldens(bytes).status()),
                HasSubstr("the score of a golden is not finite"));
  }
}

TEST(GoldenTest, AnOverlongTextIsRefused) {
  const std::string bytes = SerializeMetadata({{"name", std::string(kMaxTextBytes + 1, 'x')}});
  EXPECT_THAT(Message(ParseMetadata(bytes).status()), HasSubstr("more than the 1048576 allowed"));
}

TEST(GoldenTest, MetadataWithoutANameIsRefused) {
  EXPECT_THAT(Message(ParseMetadata(SerializeMetadata({{"", "value"}})).status()),
              HasSubstr("has no name"));
}

TEST(GoldenTest, EveryGoldenNeedsACellPerField) {
  EXPECT_TRUE(CheckCells(Examples(), 3).ok());
  EXPECT_THAT(Message(CheckCells(Examples(), 4)),
              HasSubstr("golden 0 has 3 cells, the schema has 4 fields"));
}

}  // namespace
}  // namespace fmserve::model
