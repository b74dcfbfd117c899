// Options that take a time: "250ms", "30s", "1m30s", "2h".
#ifndef FMSERVE_TOOLS_DURATION_OPTION_H_
#define FMSERVE_TOOLS_DURATION_OPTION_H_

#include <chrono>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fmserve::tools {

// `value` keeps what it has when the option is not given; it must outlive the parsing. Negative
// times are refused.
CLI::Option* AddDurationOption(CLI::App& command, const std::string& name,
                               std::chrono::milliseconds& value, const std::string& description);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_DURATION_OPTION_H_
