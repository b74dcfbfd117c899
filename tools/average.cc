// fm average: one model of several that learned from different logs.
#include "trainer/average.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/rewrite_command.h"

namespace fmserve::tools {
namespace {

struct AverageArguments {
  std::vector<std::string> models;
  trainer::ModelWeights weights;
  bool unaligned = false;
  RewriteArguments rewrite;
};

absl::StatusOr<Json> Average(const AverageArguments& arguments) {
  std::vector<ParentFile> parents;
  std::vector<std::shared_ptr<const model::WeightFile>> files;
  for (const std::string& path : arguments.models) {
    absl::StatusOr<ParentFile> parent = OpenParent(path);
    if (!parent.ok()) return parent.status();
    files.push_back(parent->file);
    parents.push_back(*std::move(parent));
  }
  const absl::Status fit = trainer::CheckAverageable(
      files, arguments.unaligned ? trainer::Start::kIgnore : trainer::Start::kMustAgree);
  if (!fit.ok()) return fit;
  trainer::ModelWeights weights = arguments.weights;
  if (weights.empty()) weights.assign(files.size(), 1.0);
  std::string as_typed = absl::StrCat("--weights ", absl::StrJoin(weights, ","));
  if (arguments.unaligned) absl::StrAppend(&as_typed, " --unaligned");
  return WriteRewritten(arguments.rewrite, parents, trainer::AveragedRows(files, weights),
                        trainer::AverageOptions(files), trainer::AllGoldens(files),
                        trainer::AverageMetadata(files, MakeLineage("average", as_typed, parents)));
}

int RunAverage(const AverageArguments& arguments) {
  const absl::StatusOr<Json> report = Average(arguments);
  if (!report.ok()) return Fail("average", report.status());
  if (arguments.rewrite.json) {
    PrintJson(*report);
  } else {
    PrintRewritten(*report);
  }
  return kDone;
}

}  // namespace

void AddAverage(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<AverageArguments>();
  CLI::App* command = app.add_subcommand(
      "average",
      "Average weight files that were trained on different logs, each feature by the training rows "
      "that had it.");
  command->add_option("models", arguments->models, "Weight files")
      ->required()
      ->expected(2, static_cast<int>(trainer::kMaxAveraged))
      ->type_name("M.fmw");
  command
      ->add_option("--weights", arguments->weights,
                   "How much a training row of each model counts, such as 1,1,0.5; 1 if not given")
      ->delimiter(',')
      ->check(CLI::Range(1e-6, 1e6));
  command->add_flag("--unaligned", arguments->unaligned,
                    "Also models that did not begin training with the same factors");
  AddRewriteOptions(*command, arguments->rewrite);
  command->footer("Example:\n  fm average berlin.fmw paris.fmw --out ctr.fmw --data day3.tsv");
  command->callback([arguments, &exit_code] {
    if (!arguments->weights.empty() && arguments->weights.size() != arguments->models.size()) {
      throw CLI::ValidationError("--weights",
                                 absl::StrCat(arguments->weights.size(), " weights for ",
                                              arguments->models.size(), " models"));
    }
    exit_code = RunAverage(*arguments);
  });
}

}  // namespace fmserve::tools
