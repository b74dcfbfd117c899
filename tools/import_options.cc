#include "tools/import_options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "model/text.h"
#include "tools/quantization_option.h"

namespace fmserve::tools {
namespace {

void AddAnswers(CLI::App& command, trainer::ImportAnswers& answers) {
  command
      .add_option_function<std::string>(
          "--task",
          [&answers](const std::string& task) {
            answers.task = task == "binary" ? model::Task::kBinary : model::Task::kRegression;
          },
          "What it predicts: binary (probabilities) or regression (numbers)")
      ->check(CLI::IsMember({"binary", "regression"}));
  command
      .add_option_function<std::string>(
          "--link",
          [&answers](const std::string& link) {
            answers.link =
                link == "probit" ? trainer::ImportLink::kProbit : trainer::ImportLink::kSigmoid;
          },
          "From a score to a probability: sigmoid, or probit (libFM's als and mcmc)")
      ->check(CLI::IsMember({"sigmoid", "probit"}));
  command
      .add_option_function<std::string>(
          "--norm",
          [&answers](const std::string& norm) {
            answers.norm = norm == "off" ? 0.0 : model::ParseNumber(norm);
          },
          "xLearn's instance norm: off, or the sum of x^2 of every row, to be part of the weights")
      ->check(CLI::IsMember({"off"}) | CLI::Range(1e-6, 1e6));
}

void AddFormat(CLI::App& command, std::optional<trainer::ImportFormat>& format) {
  std::map<std::string, trainer::ImportFormat> formats;
  for (const trainer::ImportFormat known : trainer::kImportFormats) {
    formats.emplace(trainer::Name(known), known);
  }
  command
      .add_option_function<std::string>(
          "--format", [&format, formats](const std::string& name) { format = formats.at(name); },
          "What the file is, if its first bytes are not to tell")
      ->check(CLI::IsMember(formats));
}

void AddParity(CLI::App& command, ImportArguments& arguments) {
  CLI::Option* const data =
      command.add_option("--data", arguments.parity.data, "Rows that the tool has predicted")
          ->type_name("FILE");
  CLI::Option* const check =
      command
          .add_option("--check", arguments.parity.predictions,
                      "The tool's predictions for these rows, one per line: reports how far off "
                      "those of the weight file are")
          ->type_name("PREDICTIONS.txt")
          ->needs(data);
  data->needs(check);
  command
      .add_flag("--scores", arguments.parity.scores,
                "They are scores, before the link, not probabilities")
      ->needs(check);
  command
      .add_option("--max-difference", arguments.max_difference,
                  "Write nothing when one of them is further off")
      ->check(CLI::Range(0.0, 1e30))
      ->needs(check);
}

void AddFeatures(CLI::App& command, ImportArguments& arguments) {
  command.add_option("--schema", arguments.schema, "Fields of the model")->type_name("S.yaml");
  CLI::Option* const map =
      command.add_option("--map", arguments.map, "Lines id<TAB>field<TAB>value: what the ids are")
          ->type_name("IDS.tsv");
  command
      .add_flag("--drop-unmapped", arguments.drop_unmapped,
                "Leave out features that the map does not name")
      ->needs(map);
}

}  // namespace

void AddImportOptions(CLI::App& command, ImportArguments& arguments) {
  command.add_option("file", arguments.file, "Model file of that tool")
      ->required()
      ->type_name("FILE");
  command.add_option("--out", arguments.out, "Weight file to write")
      ->required()
      ->type_name("M.fmw");
  AddFormat(command, arguments.format);
  AddAnswers(command, arguments.answers);
  AddFeatures(command, arguments);
  command.add_option("--name", arguments.name, "Name of the model")->capture_default_str();
  AddQuantizationOption(command, "--quantization", arguments.quantization,
                        "How factors are stored");
  command.add_flag("--no-names", arguments.no_names, "Leave out the values' names: a smaller file");
  AddParity(command, arguments);
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

}  // namespace fmserve::tools
