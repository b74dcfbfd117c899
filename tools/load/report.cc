#include "tools/load/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fmserve::tools {
namespace {

double Qps(const LoadResult& result) {
  return result.seconds > 0 ? static_cast<double>(result.ok) / result.seconds : 0.0;
}

int64_t UnixMicros(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

Json LoadReportJson(const LoadResult& result, const std::optional<VerifyResult>& verified) {
  Json errors = Json::object();
  for (const auto& [outcome, count] : result.errors) errors[OutcomeName(outcome)] = count;
  Json versions = Json::object();
  for (const auto& [version, count] : result.versions) versions[absl::StrCat(version)] = count;
  Json report = {
      {"sent", result.sent},
      {"ok", result.ok},
      {"partial", result.partial},
      {"errors", errors},
      {"versions", versions},
      {"seconds", result.seconds},
      {"qps", Qps(result)},
      {"p50_us", result.latency.Quantile(0.5)},
      {"p90_us", result.latency.Quantile(0.9)},
      {"p99_us", result.latency.Quantile(0.99)},
      {"p999_us", result.latency.Quantile(0.999)},
      {"max_us", result.latency.max_us()},
  };
  if (verified) {
    report["verified"] = verified->checked;
    report["wrong"] = verified->wrong;
  }
  return report;
}

std::string LoadReportText(const LoadResult& result, const std::optional<VerifyResult>& verified) {
  std::string text = absl::StrFormat("sent      %d in %.1f s, %.1f answered per second\n",
                                     result.sent, result.seconds, Qps(result));
  absl::StrAppendFormat(&text, "ok        %d, of which partial %d\n", result.ok, result.partial);
  for (const auto& [version, count] : result.versions) {
    absl::StrAppendFormat(&text, "version   %d answered %d\n", version, count);
  }
  for (const auto& [outcome, count] : result.errors) {
    absl::StrAppendFormat(&text, "error     %s %d\n", OutcomeName(outcome), count);
  }
  const auto ms = [&](double quantile) {
    return static_cast<double>(result.latency.Quantile(quantile)) / 1000.0;
  };
  absl::StrAppendFormat(&text, "latency   p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms\n",
                        ms(0.5), ms(0.9), ms(0.99), ms(0.999),
                        static_cast<double>(result.latency.max_us()) / 1000.0);
  if (verified) {
    absl::StrAppendFormat(&text, "verified  %d responses against the store, %d wrong\n",
                          verified->checked, verified->wrong);
    if (verified->wrong > 0)
      absl::StrAppend(&text, "          first: ", verified->first_wrong, "\n");
  }
  return text;
}

absl::Status WriteRecords(const LoadResult& result, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return absl::InternalError(absl::StrCat(path, ": ", std::strerror(errno)));
  absl::FPrintF(file, "intended_unix_us\tlatency_us\toutcome\tversion\tscored\n");
  const int64_t start_us = UnixMicros(result.started);
  for (const LoadRecord& record : result.records) {
    absl::FPrintF(file, "%d\t%d\t%s\t%d\t%d\n", start_us + record.intended_ns / 1000,
                  record.latency_us, OutcomeName(record.outcome), record.version,
                  record.scored_count);
  }
  const bool failed = std::ferror(file) != 0;
  if (std::fclose(file) != 0 || failed) {
    return absl::InternalError(absl::StrCat(path, ": writing failed: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace fmserve::tools
