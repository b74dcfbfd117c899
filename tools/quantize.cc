// fm quantize: the same model with rows of another encoding.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/quantization_option.h"
#include "tools/rewrite_command.h"

namespace fmserve::tools {
namespace {

struct QuantizeArguments {
  std::string model;
  model::Quantization rows = model::Quantization::kF32;
  RewriteArguments rewrite;
};

absl::StatusOr<Json> Quantize(const QuantizeArguments& arguments) {
  absl::StatusOr<ParentFile> parent = OpenParent(arguments.model);
  if (!parent.ok()) return parent.status();
  const model::WeightFile& file = *parent->file;
  model::WeightFileOptions options = trainer::InheritOptions(file);
  options.quantization = arguments.rows;
  const std::string as_typed = absl::StrCat("--rows ", std::string(model::Name(arguments.rows)));
  return WriteRewritten(
      arguments.rewrite, {*parent}, trainer::FileRows(parent->file), std::move(options),
      file.goldens(),
      trainer::Inherit(file.metadata(), MakeLineage("quantize", as_typed, {*parent})));
}

int RunQuantize(const QuantizeArguments& arguments) {
  const absl::StatusOr<Json> report = Quantize(arguments);
  if (!report.ok()) return Fail("quantize", report.status());
  if (arguments.rewrite.json) {
    PrintJson(*report);
  } else {
    PrintRewritten(*report);
  }
  return kDone;
}

}  // namespace

void AddQuantize(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<QuantizeArguments>();
  CLI::App* command = app.add_subcommand(
      "quantize", "Write a weight file's rows as f32, f16 or int8, and what that costs.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  AddQuantizationOption(*command, "--rows", arguments->rows, "How factors are to be stored")
      ->required();
  AddRewriteOptions(*command, arguments->rewrite);
  command->footer("Example:\n  fm quantize ctr.fmw --rows int8 --out small.fmw --data day3.tsv");
  command->callback([arguments, &exit_code] { exit_code = RunQuantize(*arguments); });
}

}  // namespace fmserve::tools
