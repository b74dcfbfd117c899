// Structured log lines: one JSON object per line on standard error.
#ifndef FMSERVE_SERVER_LOG_H_
#define FMSERVE_SERVER_LOG_H_

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"

namespace fmserve::server {

enum class LogLevel : uint8_t { kInfo, kWarning, kError };

// A name and a value; both views must live until Log() returns.
struct LogField {
  LogField(const char* field_name, absl::string_view text) : name(field_name), value(text) {}
  LogField(const char* field_name, std::integral auto number)
      : name(field_name), value(static_cast<uint64_t>(number)) {}
  LogField(const char* field_name, double number) : name(field_name), value(number) {}

  const char* name;
  std::variant<absl::string_view, uint64_t, double> value;
};

// {"time":"2026-11-22T10:00:00.000000Z","level":"info","event":"version_published","model":"ctr","version":7}
std::string FormatLogLine(std::chrono::system_clock::time_point time, LogLevel level,
                          absl::string_view event, std::initializer_list<LogField> fields);

// Writes a line with one write(2), so lines of several threads do not mix. Safe from any thread.
void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields);

// Keeps lines that requests cause from flooding the log: at most `lines_per_second`, with as many
// in one burst. Safe from any thread.
class LogLimiter {
 public:
  explicit LogLimiter(double lines_per_second)
      : lines_per_second_(lines_per_second), allowance_(lines_per_second) {}

  // Whether a line may be written now; then `suppressed` is the number of lines that were not since
  // the last one.
  bool Allow(std::chrono::steady_clock::time_point now, uint64_t* suppressed);

 private:
  const double lines_per_second_;
  std::mutex mutex_;
  double allowance_;
  std::chrono::steady_clock::time_point last_ = {};
  uint64_t suppressed_ = 0;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOG_H_
