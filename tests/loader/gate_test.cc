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

TEST(Gates, ResidentRefusesWeightsThatTakeMoreMemoryThanAllowed) {
  const GateResult result = RunAlone({.version = 7}, {.max_resident_bytes = 100});
  EXPECT_EQ(result.gate, "resident");
  EXPECT_THAT(result.detail, HasSubstr("at most 100"));
}

TEST(Gates, AgeRefusesAFileThatWasMadeBeforeTheOneThatServesWhenAskedTo) {
  const TestFile serving{.version = 6, .created_unix_us = 2'000'000};
  const TestFile older{.version = 7, .created_unix_us = 1'000'000};
  EXPECT_TRUE(RunAgainst(serving, older).passed);
  const GateOptions options{.refuse_older = true};
  const GateResult result = RunAgainst(serving, older, options);
  EXPECT_EQ(result.gate, "age");
  EXPECT_THAT(result.detail, HasSubstr("made at 1970-01-01T00:00:01Z, before that of version 6"));
  EXPECT_TRUE(RunAgainst(serving, older, options, /*operator_asked=*/true).passed);
  EXPECT_TRUE(RunAgainst(serving, {.version = 7}, options).passed) << "it does not say";
}

TestFile WithMetrics(uint64_t version, const model::Metadata& metadata) {
  return {.version = version, .metadata = metadata};
}

TEST(Gates, MetricRefusesALossThatIsMuchWorseThanThatOfTheVersionThatServes) {
  const TestFile serving = WithMetrics(6, {{"metric.valid.logloss", "0.4"}});
  EXPECT_TRUE(RunAgainst(serving, WithMetrics(7, {{"metric.valid.logloss", "0.419"}})).passed);
  EXPECT_TRUE(RunAgainst(serving, WithMetrics(7, {{"metric.valid.logloss", "0.2"}})).passed);
  const TestFile worse = WithMetrics(7, {{"metric.valid.logloss", "0.43"}});
  const GateResult result = RunAgainst(serving, worse);
  EXPECT_EQ(result.gate, "metric");
  EXPECT_THAT(result.detail, HasSubstr("logloss is 0.43, that of version 6"));
  EXPECT_TRUE(RunAgainst(serving, worse, {.max_loss_increase = 0.1}).passed);
  EXPECT_TRUE(RunAgainst(serving, worse, {}, /*operator_asked=*/true).passed);
}

TEST(Gates, MetricComparesTheEntropyThatTakesTheShareOfClicksOutWhereItCan) {
  const TestFile serving =
      WithMetrics(6, {{"metric.valid.logloss", "0.2"}, {"metric.valid.normalized_entropy", "0.8"}});
  const TestFile day_of_many_clicks = WithMetrics(
      7, {{"metric.valid.logloss", "0.3"}, {"metric.valid.normalized_entropy", "0.81"}});
  EXPECT_TRUE(RunAgainst(serving, day_of_many_clicks).passed);
}

TEST(Gates, MetricRefusesACalibrationThatMoved) {
  const TestFile serving = WithMetrics(6, {{"metric.valid.calibration", "1.1"}});
  EXPECT_TRUE(RunAgainst(serving, WithMetrics(7, {{"metric.valid.calibration", "0.95"}})).passed);
  for (const char* const moved : {"0.8", "1.5"}) {
    const GateResult result =
        RunAgainst(serving, WithMetrics(7, {{"metric.valid.calibration", moved}}));
    EXPECT_EQ(result.gate, "metric") << moved;
    EXPECT_THAT(result.detail, HasSubstr("more than a factor of 1.25"));
  }
}

TEST(Gates, MetricPassesAVersionWithoutMetricsUnlessTheyAreRequired) {
  EXPECT_TRUE(RunAgainst(WithMetrics(6, {{"metric.valid.logloss", "0.4"}}), {.version = 7}).passed);
  const GateResult result = RunAlone({.version = 7}, {.require_metrics = true});
  EXPECT_EQ(result.gate, "metric");
  EXPECT_TRUE(
      RunAlone(WithMetrics(7, {{"metric.valid.rmse", "0.9"}}), {.require_metrics = true}).passed);
  EXPECT_TRUE(RunAlone(WithMetrics(7, {{"metric.valid.logloss", "nan"}})).passed);
}

TEST(Gates, SayWhichPassed) {
  const std::shared_ptr<const Snapshot> snapshot =
      MakeSnapshot({.version = 7, .with_golden = false});
  std::vector<std::string_view> passed;
  RunGates({}, {.model = kModel, .version = 7, .candidate = snapshot.get()}, &passed);
  EXPECT_THAT(passed, testing::ElementsAre("size", "version", "identity", "schema", "resident",
                                           "age", "metric"));
}

TEST(ManifestGates, JudgeSizeAndVersionBeforeAnythingIsFetched) {
  const Manifest manifest{.model = kModel, .version = 7, .size_bytes = 1000};
  const auto run = [&](uint64_t serving_version, const GateOptions& options = {}) {
    return RunManifestGates(options, {.manifest = &manifest, .serving_version = serving_version});
  };
  EXPECT_TRUE(run(0).passed);
  EXPECT_TRUE(run(6).passed);
  EXPECT_EQ(run(8).gate, "version");
  EXPECT_TRUE(run(8, {.allow_version_decrease = true}).passed);
  EXPECT_EQ(run(6, {.max_file_bytes = 999}).gate, "size");
}

TEST(ManifestGates, AgeRefusesWhatWasPublishedInTheFuture) {
  const Manifest manifest{.model = kModel, .version = 7, .published_unix_us = 5'000'000'000};
  const auto run = [&](uint64_t now_unix_us) {
    return RunManifestGates({}, {.manifest = &manifest, .now_unix_us = now_unix_us});
  };
  EXPECT_EQ(run(1'000'000'000).gate, "age");
  EXPECT_THAT(run(1'000'000'000).detail, HasSubstr("published at 1970-01-01T01:23:20"));
  EXPECT_EQ(run(1'000'000'000).detail, run(1'001'000'000).detail) << "not a new finding each time";
  EXPECT_TRUE(run(1'400'000'000).passed) << "within the hour that clocks may disagree";
  EXPECT_TRUE(run(9'000'000'000).passed);
}

TEST(ManifestGates, AgeRefusesWhatWasPublishedBeforeTheVersionThatServesWhenAskedTo) {
  const Manifest manifest{.model = kModel, .version = 7, .published_unix_us = 1000};
  const ManifestGateInput input{.manifest = &manifest,
                                .serving_version = 6,
                                .serving_published_unix_us = 2000,
                                .now_unix_us = 3000};
  EXPECT_TRUE(RunManifestGates({}, input).passed);
  const GateResult result = RunManifestGates({.refuse_older = true}, input);
  EXPECT_EQ(result.gate, "age");
  EXPECT_THAT(result.detail, HasSubstr("before version 6"));
}

}  // namespace
}  // namespace fmserve::loader
