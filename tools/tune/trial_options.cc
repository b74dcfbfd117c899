#include "tools/tune/trial_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/train_options.h"

namespace fmserve::tools {
namespace {

// Seed, epochs, threads and what is best are the search's own.
constexpr std::string_view kTrialOptions[] = {
    "kind",       "k",          "learning-rate",       "linear-learning-rate",
    "l2-linear",  "l2-factors", "init-stddev",         "init-accumulator",
    "step-decay", "rank",       "field-learning-rate", "init-field-stddev",
    "negatives",  "patience"};

bool IsTrialOption(std::string_view name) {
  return std::find(std::begin(kTrialOptions), std::end(kTrialOptions), name) !=
         std::end(kTrialOptions);
}

// What the parser of `fm train` says about the option.
template <typename Question>
std::string Ask(std::string_view name, Question question) {
  TrainArguments arguments;
  CLI::App app;
  AddLearningOptions(app, arguments);
  return question(*app.get_option(absl::StrCat("--", std::string(name))));
}

}  // namespace

OptionType TypeOfTrialOption(std::string_view name) {
  if (!IsTrialOption(name)) return OptionType::kUnknown;
  const std::string type =
      Ask(name, [](const CLI::Option& option) { return option.get_type_name(); });
  if (absl::StartsWith(type, "UINT")) return OptionType::kWholeNumber;
  return absl::StartsWith(type, "FLOAT") ? OptionType::kNumber : OptionType::kText;
}

std::string TrialOptionNames() {
  std::vector<std::string> names;
  for (const std::string_view name : kTrialOptions) names.emplace_back(name);
  return absl::StrJoin(names, ", ");
}

bool IsOfFieldWeighted(std::string_view name) {
  return Ask(name, [](const CLI::Option& option) { return option.get_group(); }) == kFieldOptions;
}

bool IsSharedByTrials(std::string_view name) { return name == "negatives"; }

absl::Status SetTrialOptions(const TrialOptions& options, TrainArguments& arguments) {
  CLI::App app;
  AddLearningOptions(app, arguments);
  std::vector<std::string> words;  // the parser takes the last one first
  for (const auto& [name, value] : options) {
    if (!IsTrialOption(name)) return absl::InvalidArgumentError(absl::StrCat("no option ", name));
    words.push_back(absl::StrCat("--", name, "=", value));
  }
  std::reverse(words.begin(), words.end());
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return absl::OkStatus();
}

}  // namespace fmserve::tools
