#include "tools/load/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

LoadResult SomeResult() {
  LoadResult result;
  result.sent = 4;
  result.ok = 3;
  result.partial = 1;
  result.errors = {{14, 1}};
  result.versions = {{7, 2}, {8, 1}};
  result.seconds = 2.0;
  result.started = std::chrono::system_clock::time_point(std::chrono::seconds(1000));
  for (int us : {100, 200, 250}) result.latency.Record(us);
  result.records = {{.intended_ns = 1'500'000, .latency_us = 250, .version = 7, .scored_count = 5},
                    {.intended_ns = 2'000'000, .latency_us = 10, .outcome = 14}};
  return result;
}

TEST(LoadReport, JsonHasTheKeysThatScriptsRelyOn) {
  EXPECT_EQ(
      LoadReportJson(SomeResult(), std::nullopt).dump(),
      R"({"sent":4,"ok":3,"partial":1,"errors":{"unavailable":1},"versions":{"7":2,"8":1},"seconds":2.0,"qps":1.5,)"
      R"("p50_us":200,"p90_us":250,"p99_us":250,"p999_us":250,"max_us":250})");
}

TEST(LoadReport, SaysWhatWasVerified) {
  const VerifyResult verified{.checked = 3, .wrong = 1, .first_wrong = "request 5"};
  const Json json = LoadReportJson(SomeResult(), verified);
  EXPECT_EQ(json["verified"], 3);
  EXPECT_EQ(json["wrong"], 1);
  EXPECT_THAT(LoadReportText(SomeResult(), verified), HasSubstr("request 5"));
}

TEST(LoadReport, RecordsHaveOneLinePerRequestInUnixTime) {
  const std::string path = std::filesystem::path(::testing::TempDir()) / "records.tsv";
  ASSERT_TRUE(WriteRecords(SomeResult(), path).ok());
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(),
            "intended_unix_us\tlatency_us\toutcome\tversion\tscored\n"
            "1000001500\t250\tok\t7\t5\n"
            "1000002000\t10\tunavailable\t0\t0\n");
}

TEST(LoadReport, RecordsThatCannotBeWrittenAreAnError) {
  EXPECT_THAT(std::string(WriteRecords(SomeResult(), "/nonexistent/records.tsv").message()),
              HasSubstr("/nonexistent/records.tsv"));
}

}  // namespace
}  // namespace fmserve::tools
