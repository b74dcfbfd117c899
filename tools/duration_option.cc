#include "tools/duration_option.h"

#include <CLI/CLI.hpp>

#include "absl/time/time.h"

namespace fmserve::tools {

CLI::Option* AddDurationOption(CLI::App& command, const std::string& name,
                               std::chrono::milliseconds& value, const std::string& description) {
  const auto parse = [name, &value](const std::string& text) {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
        duration == absl::InfiniteDuration()) {
      throw CLI::ValidationError(name, "'" + text + "' is not a time such as 250ms, 30s or 1m30s");
    }
    value = absl::ToChronoMilliseconds(duration);
  };
  return command.add_option_function<std::string>(name, parse, description)->type_name("TIME");
}

}  // namespace fmserve::tools
