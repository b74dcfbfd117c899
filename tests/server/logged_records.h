// What is in a prediction log, for tests.
#ifndef FMSERVE_TESTS_SERVER_LOGGED_RECORDS_H_
#define FMSERVE_TESTS_SERVER_LOGGED_RECORDS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "fmserve/v1/log.pb.h"
#include "tools/log/log_reader.h"

namespace fmserve::server {

// Names of the log files in a folder, in their order.
inline std::vector<std::string> LogFileNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename();
    if (name.find(".fmlog.zst") != std::string::npos) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// All records of the files in a folder; those of damaged files fail the test.
inline std::vector<v1::PredictionRecord> LoggedRecords(const std::string& folder) {
  std::vector<v1::PredictionRecord> records;
  for (const std::string& name : LogFileNames(folder)) {
    auto reader = tools::LogReader::Open(folder + "/" + name);
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) continue;
    for (v1::PredictionRecord record;;) {
      const auto more = reader->Next(&record);
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) break;
      records.push_back(record);
    }
  }
  return records;
}

}  // namespace fmserve::server

#endif  // FMSERVE_TESTS_SERVER_LOGGED_RECORDS_H_
