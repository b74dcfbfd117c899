#include "server/log.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fmserve::server {
namespace {

const char* Name(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

nlohmann::ordered_json ToJson(absl::string_view text) { return std::string(text); }
nlohmann::ordered_json ToJson(uint64_t number) { return number; }
nlohmann::ordered_json ToJson(double number) { return number; }

}  // namespace

std::string FormatLogLine(std::chrono::system_clock::time_point time, LogLevel level,
                          absl::string_view event, std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] =
      absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::FromChrono(time), absl::UTCTimeZone());
  line["level"] = Name(level);
  line["event"] = std::string(event);
  for (const LogField& field : fields) {
    line[field.name] = std::visit([](const auto& value) { return ToJson(value); }, field.value);
  }
  // Bytes that are not UTF-8 are replaced.
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  const std::string line = FormatLogLine(std::chrono::system_clock::now(), level, event, fields);
  // A log that cannot be written has nowhere to be reported.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

bool LogLimiter::Allow(std::chrono::steady_clock::time_point now, uint64_t* suppressed) {
  const std::lock_guard lock(mutex_);
  const double elapsed_s = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  allowance_ = std::min(allowance_ + elapsed_s * lines_per_second_, lines_per_second_);
  if (allowance_ < 1.0) {
    ++suppressed_;
    return false;
  }
  allowance_ -= 1.0;
  *suppressed = std::exchange(suppressed_, 0);
  return true;
}

}  // namespace fmserve::server
