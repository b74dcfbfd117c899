#include "tools/duration_option.h"

#include <CLI/CLI.hpp>

#include "absl/time/time.h"

namespace fmserve::tools {
namespace {

constexpr absl::Duration kShortest = absl::Milliseconds(1);
constexpr absl::Duration kLongest = absl::Hours(8760);

}  // namespace

CLI::Option* AddDurationOption(CLI::App& command, const std::string& name,
                               std::chrono::milliseconds& value, const std::string& description) {
  const auto parse = [name, &value](const std::string& text) {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) || duration < kShortest || duration > kLongest) {
      throw CLI::ValidationError(
          name, "'" + text + "' is not a time from 1ms to 8760h (a year), such as 250ms or 1m30s");
    }
    value = absl::ToChronoMilliseconds(duration);
  };
  return command.add_option_function<std::string>(name, parse, description)->type_name("TIME");
}

}  // namespace fmserve::tools
