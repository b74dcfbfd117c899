#include "loader/gate_report_json.h"

#include <array>
#include <utility>

#include "loader/json.h"

namespace fmserve::loader {
namespace {

using Verdict = GateReport::Verdict;

constexpr auto kVerdicts = std::to_array<std::pair<Verdict, const char*>>({
    {Verdict::kPassed, "passed"},
    {Verdict::kHeld, "held"},
    {Verdict::kTooFewRequests, "too_few_requests"},
});

nlohmann::ordered_json MeasureToJson(const Measure& measure) {
  nlohmann::ordered_json json;
  json["name"] = measure.name;
  if (measure.serving) json["serving"] = *measure.serving;
  if (measure.candidate) json["candidate"] = *measure.candidate;
  json["value"] = measure.value;
  if (measure.at_least) json["at_least"] = *measure.at_least;
  if (measure.at_most) json["at_most"] = *measure.at_most;
  json["passed"] = measure.passed ? 1 : 0;
  return json;
}

absl::StatusOr<Measure> MeasureFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  Measure measure;
  measure.name = reader.Text("name");
  measure.value = reader.Number("value");
  measure.passed = reader.Unsigned("passed") != 0;
  if (!reader.status().ok()) return reader.status();
  measure.serving = reader.OptionalNumber("serving");
  measure.candidate = reader.OptionalNumber("candidate");
  measure.at_least = reader.OptionalNumber("at_least");
  measure.at_most = reader.OptionalNumber("at_most");
  if (!reader.status().ok()) return reader.status();
  return measure;
}

}  // namespace

nlohmann::ordered_json GateReportToJson(const GateReport& report) {
  nlohmann::ordered_json json;
  json["version"] = report.version;
  json["serving_version"] = report.serving_version;
  for (const auto& [verdict, name] : kVerdicts) {
    if (verdict == report.verdict) json["verdict"] = name;
  }
  json["detail"] = report.detail;
  json["requests_count"] = report.requests_count;
  json["failed_requests_count"] = report.failed_requests_count;
  json["candidates_count"] = report.candidates_count;
  json["compared_unix_us"] = report.compared_unix_us;
  json["seconds"] = report.seconds;
  json["measures"] = nlohmann::ordered_json::array();
  for (const Measure& measure : report.measures) json["measures"].push_back(MeasureToJson(measure));
  return json;
}

absl::StatusOr<GateReport> GateReportFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  GateReport report;
  report.version = reader.Unsigned("version");
  report.serving_version = reader.Unsigned("serving_version");
  const std::string verdict_name = reader.Text("verdict");
  report.verdict = Verdict::kHeld;  // of a later server: the careful one
  for (const auto& [verdict, name] : kVerdicts) {
    if (verdict_name == name) report.verdict = verdict;
  }
  report.detail = reader.Text("detail");
  report.requests_count = reader.Unsigned("requests_count");
  report.failed_requests_count = reader.Unsigned("failed_requests_count");
  report.candidates_count = reader.Unsigned("candidates_count");
  report.compared_unix_us = reader.Unsigned("compared_unix_us");
  report.seconds = reader.Number("seconds");
  for (const nlohmann::json& entry : reader.Array("measures")) {
    absl::StatusOr<Measure> measure = MeasureFromJson(entry);
    if (!measure.ok()) return measure.status();
    report.measures.push_back(*std::move(measure));
  }
  if (!reader.status().ok()) return reader.status();
  return report;
}

}  // namespace fmserve::loader
