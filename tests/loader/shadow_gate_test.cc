#include "loader/shadow_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fmserve::loader {
namespace {

using ::testing::HasSubstr;
using Verdict = GateReport::Verdict;

// An honest retraining.
Comparison Alike() {
  return {
      .requests_count = 500,
      .candidates_count = 10'000,
      .serving_mean = 0.05,
      .candidate_mean = 0.051,
      .psi = 0.01,
      .shift = 0.02,
      .correlation = 0.95,
      .ranked_requests_count = 500,
      .top1_agreement = 0.6,
      .kendall_tau = 0.8,
      .unknown = {{.field = "user", .serving = 0.1, .candidate = 0.12, .serving_known_count = 10}}};
}

const Measure& Find(const GateReport& report, const std::string& name) {
  static const Measure none;
  for (const Measure& measure : report.measures) {
    if (measure.name == name) return measure;
  }
  ADD_FAILURE() << name << " is not in the report";
  return none;
}

// The one measure that fails.
void ExpectHeldFor(const Comparison& comparison, const std::string& name) {
  const GateReport report = JudgeComparison({}, comparison);
  EXPECT_EQ(report.verdict, Verdict::kHeld);
  for (const Measure& measure : report.measures)
    EXPECT_EQ(measure.passed, measure.name != name) << measure.name;
  EXPECT_THAT(report.detail, HasSubstr(name + " is "));
}

TEST(ShadowGate, PassesAVersionThatPredictsAboutTheSame) {
  const GateReport report = JudgeComparison({}, Alike());
  EXPECT_EQ(report.verdict, Verdict::kPassed) << report.detail;
  EXPECT_EQ(report.detail, "");
  EXPECT_EQ(report.requests_count, 500U);
  EXPECT_NEAR(Find(report, "mean_ratio").value, 1.02, 1e-9);
  EXPECT_EQ(Find(report, "mean_ratio").serving, 0.05);
  EXPECT_EQ(Find(report, "unknown.user").candidate, 0.12);
}

TEST(ShadowGate, HoldsAVersionForEachMeasureByItself) {
  Comparison comparison = Alike();
  comparison.candidate_mean = 0.1;
  ExpectHeldFor(comparison, "mean_ratio");
  comparison.candidate_mean = 0.02;
  ExpectHeldFor(comparison, "mean_ratio");
  comparison = Alike();
  comparison.shift = -1.0;
  ExpectHeldFor(comparison, "logit_shift");
  comparison = Alike();
  comparison.psi = 3.0;
  ExpectHeldFor(comparison, "psi");
  comparison = Alike();
  comparison.correlation = 0.1;
  ExpectHeldFor(comparison, "correlation");
  comparison = Alike();
  comparison.kendall_tau = 0.0;
  ExpectHeldFor(comparison, "kendall_tau");
  comparison = Alike();
  comparison.unknown[0].candidate = 0.9;
  ExpectHeldFor(comparison, "unknown.user");
  comparison = Alike();
  comparison.non_finite_count = 1;
  ExpectHeldFor(comparison, "non_finite");
  comparison = Alike();
  comparison.failed_requests_count = 100;
  ExpectHeldFor(comparison, "failed_requests");
}

TEST(ShadowGate, HoldsAVersionThatLostAFieldOfWhichLittleWasKnown) {
  Comparison comparison = Alike();
  comparison.unknown.push_back(
      {.field = "ip", .serving = 0.9, .candidate = 1.0, .serving_known_count = 1000});
  ExpectHeldFor(comparison, "known_lost.ip");
  comparison.unknown.back().candidate = 0.93;
  EXPECT_EQ(JudgeComparison({}, comparison).verdict, Verdict::kPassed);
  comparison.unknown.back().candidate = 1.0;
  comparison.unknown.back().serving_known_count = 10;
  EXPECT_EQ(JudgeComparison({}, comparison).verdict, Verdict::kPassed) << "it may be chance";
}

TEST(ShadowGate, NamesValueAndLimitOfAllThatFailed) {
  Comparison comparison = Alike();
  comparison.psi = 2.5;
  comparison.shift = 1.0;
  const GateReport report = JudgeComparison({.max_shift = 0.5, .max_psi = 0.25}, comparison);
  EXPECT_EQ(report.detail,
            "logit_shift is 1, at most 0.5 is allowed; psi is 2.5, at most 0.25 is allowed");
}

TEST(ShadowGate, LeavesOutWhatTheRequestsCannotTell) {
  Comparison comparison = Alike();
  comparison.ranked_requests_count = 0;
  comparison.kendall_tau = comparison.top1_agreement = 0.0;
  comparison.correlation.reset();
  comparison.serving_mean = 0.0;
  const GateReport report = JudgeComparison({}, comparison);
  EXPECT_EQ(report.verdict, Verdict::kPassed) << report.detail;
  for (const Measure& measure : report.measures) {
    EXPECT_NE(measure.name, "kendall_tau");
    EXPECT_NE(measure.name, "correlation");
    EXPECT_NE(measure.name, "mean_ratio");
  }
}

TEST(ShadowGate, DoesNotJudgeByTooFewRequests) {
  Comparison comparison = Alike();
  comparison.requests_count = 199;
  comparison.psi = 100.0;
  const GateReport report = JudgeComparison({}, comparison);
  EXPECT_EQ(report.verdict, Verdict::kTooFewRequests);
  EXPECT_THAT(report.detail, HasSubstr("199 recent requests are too few"));
  EXPECT_THAT(report.detail, HasSubstr("let through"));
  EXPECT_THAT(JudgeComparison({.hold_on_too_few_requests = true}, comparison).detail,
              HasSubstr("held until there are more"));
}

TEST(ShadowGate, DoesNotTakeTheRatioOfMeansOfARegression) {
  Comparison comparison = Alike();
  comparison.of_probabilities = false;
  comparison.serving_mean = -0.01;
  const GateReport report = JudgeComparison({}, comparison);
  EXPECT_EQ(report.verdict, Verdict::kPassed) << report.detail;
  EXPECT_EQ(Find(report, "shift").value, 0.02);
}

}  // namespace
}  // namespace fmserve::loader
