#include "loader/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;

GateResult RunAlone(const TestFile& candidate, const GateOptions& options = {}) {
  const std::shared_ptr<const Snapshot> snapshot = MakeSnapshot(candidate);
  return RunGates(options, {.model = kModel, .version = 7, .candidate = snapshot.get()});
}

GateResult RunAgainst(const TestFile& serving, const TestFile& candidate,
                      const GateOptions& options = {}, bool operator_asked = false) {
  const std::shared_ptr<const Snapshot> new_snapshot = MakeSnapshot(candidate);
  const std::shared_ptr<const Snapshot> old_snapshot = MakeSnapshot(serving);
  return RunGates(options, {.model = kModel,
                            .version = candidate.version,
                            .candidate = new_snapshot.get(),
                            .serving = old_snapshot.get(),
                            .operator_asked = operator_asked});
}

TEST(Gates, PassAVersionThatIsFit) {
  const GateResult result = RunAlone({.version = 7});
  EXPECT_TRUE(result.passed) << result.gate << ": " << result.detail;
  EXPECT_TRUE(RunAgainst({.version = 6}, {.version = 7}).passed);
}

TEST(Gates, SizeRefusesWhatIsLargerThanTheServerTakes) {
  const GateResult result = RunAlone({.version = 7}, {.max_file_bytes = 100});
  EXPECT_FALSE(result.passed);
  EXPECT_EQ(result.gate, "size");
  EXPECT_THAT(result.detail, HasSubstr("at most 100"));
}

TEST(Gates, IdentityRefusesAFileOfAnotherModelOrVersion) {
  const GateResult model = RunAlone({.model = "cvr", .version = 7});
  EXPECT_EQ(model.gate, "identity");
  EXPECT_THAT(model.detail, HasSubstr("'cvr'"));
  const GateResult version = RunAlone({.version = 8});
  EXPECT_EQ(version.gate, "identity");
  EXPECT_THAT(version.detail, HasSubstr("version 8"));
}

TEST(Gates, VersionRefusesALowerNumberUnlessSomeoneAskedForIt) {
  const GateResult result = RunAgainst({.version = 8}, {.version = 7});
  EXPECT_EQ(result.gate, "version");
  EXPECT_THAT(result.detail, HasSubstr("version 7 is lower than version 8"));
  EXPECT_TRUE(RunAgainst({.version = 8}, {.version = 7}, {.allow_version_decrease = true}).passed);
  EXPECT_TRUE(RunAgainst({.version = 8}, {.version = 7}, {}, /*operator_asked=*/true).passed);
}

TEST(Gates, SchemaRefusesWhatWouldMisreadRequests) {
  const GateResult result =
      RunAgainst({.version = 6}, {.version = 7, .extra_context_field = "hour"});
  EXPECT_EQ(result.gate, "schema");
  EXPECT_THAT(result.detail, HasSubstr("version 6"));
}

TEST(Gates, GoldenRefusesOtherScoresThanTheTrainers) {
  const GateResult result = RunAlone({.version = 7, .golden_error = 0.01});
  EXPECT_EQ(result.gate, "golden");
  EXPECT_THAT(result.detail, HasSubstr("golden 0"));
  EXPECT_TRUE(RunAlone({.version = 7, .golden_error = 0.01}, {.golden_tolerance = 0.02}).passed);
}

TEST(Gates, GoldenMeasuresLargeScoresRelativeToTheirSize) {
  EXPECT_TRUE(RunAlone({.w0 = 1e6, .version = 7, .golden_error = 50.0}).passed);
  EXPECT_FALSE(RunAlone({.w0 = 1e6, .version = 7, .golden_error = 150.0}).passed);
}

TEST(Gates, GoldenRefusesAFileWithoutGoldensUnlessAllowed) {
  EXPECT_EQ(RunAlone({.version = 7, .with_golden = false}).gate, "golden");
  EXPECT_TRUE(RunAlone({.version = 7, .with_golden = false}, {.allow_no_goldens = true}).passed);
}

TEST(Gates, FiniteRefusesScoresThatOverflow) {
  const GateResult result = RunAlone({.w0 = 1e300, .version = 7});
  EXPECT_EQ(result.gate, "finite") << result.detail;
}

TEST(ManifestGates, JudgeSizeAndVersionBeforeAnythingIsFetched) {
  const Manifest manifest{.model = kModel, .version = 7, .size_bytes = 1000};
  EXPECT_TRUE(RunManifestGates({}, manifest, 0).passed);
  EXPECT_TRUE(RunManifestGates({}, manifest, 6).passed);
  EXPECT_EQ(RunManifestGates({}, manifest, 8).gate, "version");
  EXPECT_TRUE(RunManifestGates({.allow_version_decrease = true}, manifest, 8).passed);
  EXPECT_EQ(RunManifestGates({.max_file_bytes = 999}, manifest, 6).gate, "size");
}

}  // namespace
}  // namespace fmserve::loader
