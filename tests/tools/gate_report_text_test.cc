#include "tools/gate_report_text.h"

#include <gtest/gtest.h>

namespace fmserve::tools {
namespace {

const std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'000'000)};

fmserve::v1::GateReport SomeReport() {
  fmserve::v1::GateReport report;
  report.set_version(8);
  report.set_serving_version(7);
  report.set_verdict(fmserve::v1::GATE_VERDICT_HELD);
  report.set_detail("mean_ratio is 2, at most 1.5 is allowed");
  report.set_requests_count(800);
  report.set_candidates_count(16000);
  report.mutable_compared()->set_seconds(1'000'000 - 192);
  report.set_seconds(0.5);
  fmserve::v1::GateMeasure* ratio = report.add_measures();
  ratio->set_name("mean_ratio");
  ratio->set_serving(0.05);
  ratio->set_candidate(0.1);
  ratio->set_value(2.0);
  ratio->set_at_least(0.667);
  ratio->set_at_most(1.5);
  fmserve::v1::GateMeasure* tau = report.add_measures();
  tau->set_name("kendall_tau");
  tau->set_value(0.91);
  tau->set_at_least(0.2);
  tau->set_passed(true);
  return report;
}

TEST(GateReportText, IsATableOfWhatWasMeasuredAndAllowed) {
  EXPECT_EQ(GateReportText(SomeReport(), kNow),
            "version 8 against version 7, 3 min 12 s ago, on 800 recent requests with 16000 "
            "candidates: held\n"
            "measure       old  new  value  allowed       verdict\n"
            "mean_ratio   0.05  0.1      2  0.667 to 1.5  FAILED\n"
            "kendall_tau     -    -   0.91  at least 0.2  ok\n"
            "mean_ratio is 2, at most 1.5 is allowed\n");
}

TEST(GateReportText, OfTooFewRequestsHasNoTable) {
  fmserve::v1::GateReport report;
  report.set_version(8);
  report.set_serving_version(7);
  report.set_verdict(fmserve::v1::GATE_VERDICT_TOO_FEW_REQUESTS);
  report.set_detail("3 recent requests are too few");
  report.mutable_compared()->set_seconds(1'000'000);
  EXPECT_EQ(GateReportText(report, kNow),
            "version 8 against version 7, 0 s ago, on 0 recent requests with 0 candidates: "
            "too_few_requests\n"
            "3 recent requests are too few\n");
}

TEST(GateReportJson, HasNullForWhatAMeasureDoesNotHave) {
  const Json json = GateReportJson(SomeReport());
  EXPECT_EQ(json["verdict"], "held");
  EXPECT_EQ(json["measures"][0]["candidate"], 0.1);
  EXPECT_TRUE(json["measures"][1]["serving"].is_null());
  EXPECT_TRUE(json["measures"][1]["at_most"].is_null());
  EXPECT_EQ(json["measures"][1]["passed"], true);
}

}  // namespace
}  // namespace fmserve::tools
