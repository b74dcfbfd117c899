// Options of trials, taken by the parser of `fm train` itself.
#ifndef FMSERVE_TOOLS_TUNE_TRIAL_OPTIONS_H_
#define FMSERVE_TOOLS_TUNE_TRIAL_OPTIONS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "tools/train_report.h"
#include "tools/tune/search_space.h"

namespace fmserve::tools {

enum class OptionType : uint8_t {
  kUnknown,  // `fm train` has no such option, or trials cannot differ in it
  kText,
  kNumber,
  kWholeNumber,
};

OptionType TypeOfTrialOption(std::string_view name);

// All names that are not kUnknown, for messages.
std::string TrialOptionNames();

// Whether only trials of kind fwfm have it.
bool IsOfFieldWeighted(std::string_view name);

// What only one value may be given for: all trials share it.
bool IsSharedByTrials(std::string_view name);

// Sets them in `arguments`, of which the others stay what they are. InvalidArgument in the words of
// `fm train` for what it would refuse.
absl::Status SetTrialOptions(const TrialOptions& options, TrainArguments& arguments);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_TRIAL_OPTIONS_H_
