#include "tools/gate_report_text.h"

#include <google/protobuf/util/time_util.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/format.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::GateMeasure;
using fmserve::v1::GateReport;
using google::protobuf::util::TimeUtil;

std::string VerdictName(const GateReport& report) {
  return absl::AsciiStrToLower(
      fmserve::v1::GateVerdict_Name(report.verdict()).substr(sizeof("GATE_VERDICT")));
}

Json NumberOrNull(bool known, double value) { return known ? Json(value) : Json(nullptr); }

Json MeasureJson(const GateMeasure& measure) {
  return {{"name", measure.name()},
          {"serving", NumberOrNull(measure.has_serving(), measure.serving())},
          {"candidate", NumberOrNull(measure.has_candidate(), measure.candidate())},
          {"value", measure.value()},
          {"at_least", NumberOrNull(measure.has_at_least(), measure.at_least())},
          {"at_most", NumberOrNull(measure.has_at_most(), measure.at_most())},
          {"passed", measure.passed()}};
}

std::string NumberOrDash(bool known, double value) {
  return known ? absl::StrFormat("%.4g", value) : "-";
}

// "0.67 to 1.5", "at most 0.25"
std::string LimitText(const GateMeasure& measure) {
  const std::string least = NumberOrDash(true, measure.at_least());
  const std::string most = NumberOrDash(true, measure.at_most());
  if (measure.has_at_least() && measure.has_at_most()) return absl::StrCat(least, " to ", most);
  if (measure.has_at_least()) return absl::StrCat("at least ", least);
  return measure.has_at_most() ? absl::StrCat("at most ", most) : "-";
}

}  // namespace

Json GateReportJson(const GateReport& report) {
  Json measures = Json::array();
  for (const GateMeasure& measure : report.measures()) measures.push_back(MeasureJson(measure));
  return {{"version", report.version()},
          {"serving_version", report.serving_version()},
          {"verdict", VerdictName(report)},
          {"detail", report.detail()},
          {"requests", report.requests_count()},
          {"failed_requests", report.failed_requests_count()},
          {"candidates", report.candidates_count()},
          {"compared", TimeUtil::ToString(report.compared())},
          {"seconds", report.seconds()},
          {"measures", measures}};
}

std::string GateReportText(const GateReport& report, std::chrono::system_clock::time_point now) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()) -
                   std::chrono::seconds(TimeUtil::TimestampToSeconds(report.compared()));
  std::string text = absl::StrCat(
      "version ", report.version(), " against version ", report.serving_version(), ", ",
      FormatAge(age), " ago, on ", report.requests_count(), " recent requests with ",
      report.candidates_count(), " candidates: ", VerdictName(report), "\n");
  if (!report.measures().empty()) {
    std::vector<std::vector<std::string>> rows = {
        {"measure", "old", "new", "value", "allowed", "verdict"}};
    for (const GateMeasure& measure : report.measures()) {
      rows.push_back({measure.name(), NumberOrDash(measure.has_serving(), measure.serving()),
                      NumberOrDash(measure.has_candidate(), measure.candidate()),
                      NumberOrDash(true, measure.value()), LimitText(measure),
                      measure.passed() ? "ok" : "FAILED"});
    }
    absl::StrAppend(&text, FormatTable(rows));
  }
  if (!report.detail().empty()) absl::StrAppend(&text, report.detail(), "\n");
  return text;
}

}  // namespace fmserve::tools
