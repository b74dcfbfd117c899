// fm explain: what each feature and each pair of features adds to the score of a row.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/feature_text.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/table_model.h"

namespace fmserve::tools {
namespace {

struct ExplainArguments {
  std::string model;
  std::string data;
  std::string schema;
  uint64_t row = 1;
  uint32_t top = 15;
  bool json = false;
};

struct Contribution {
  std::string what;  // a feature, or two
  double value = 0.0;
};

// Linear parts and interactions, the largest in size first.
std::vector<Contribution> Contributions(const TableModel& opened,
                                        const model::Explanation& explanation) {
  const model::FeatureSpan features = opened.scorer->features().all();
  std::vector<std::string> texts;
  for (size_t i = 0; i < features.size(); ++i) {
    texts.push_back(FeatureText(*opened.file, features.fields[i], features.keys[i]));
    if (features.xs[i] != 1.0F)
      absl::StrAppend(&texts.back(), absl::StrFormat(" (x %.4g)", features.xs[i]));
  }
  std::vector<Contribution> contributions;
  for (const auto& term : explanation.terms)
    contributions.push_back({texts[term.feature], term.linear});
  for (const auto& pair : explanation.pairs) {
    contributions.push_back(
        {absl::StrCat(texts[pair.first], " × ", texts[pair.second]), pair.interaction});
  }
  std::stable_sort(contributions.begin(), contributions.end(),
                   [](const Contribution& a, const Contribution& b) {
                     return std::abs(a.value) > std::abs(b.value);
                   });
  return contributions;
}

void PrintExplanation(const std::vector<Contribution>& contributions, size_t top, double w0,
                      double score, float prediction) {
  std::vector<std::vector<std::string>> rows = {{"adds", "feature or pair of features"}};
  rows.push_back({absl::StrFormat("%+.4f", w0), "w0"});
  double others = 0.0;
  for (size_t i = 0; i < contributions.size(); ++i) {
    if (i < top) {
      rows.push_back({absl::StrFormat("%+.4f", contributions[i].value), contributions[i].what});
    } else {
      others += contributions[i].value;
    }
  }
  if (contributions.size() > top) {
    rows.push_back(
        {absl::StrFormat("%+.4f", others), absl::StrCat(contributions.size() - top, " others")});
  }
  rows.push_back({absl::StrFormat("%+.4f", score),
                  absl::StrFormat("score; the prediction is %.6g", prediction)});
  std::cout << FormatTable(rows);
}

void PrintJsonExplanation(const std::vector<Contribution>& contributions, size_t top, double w0,
                          double score, float prediction) {
  Json list = Json::array();
  for (size_t i = 0; i < std::min(top, contributions.size()); ++i) {
    list.push_back({{"feature", contributions[i].what}, {"adds", contributions[i].value}});
  }
  PrintJson({{"w0", w0}, {"score", score}, {"prediction", prediction}, {"contributions", list}});
}

// Reads up to the wanted row and explains it.
absl::StatusOr<model::Explanation> ExplainRow(const ExplainArguments& arguments,
                                              TableModel& opened) {
  absl::StatusOr<std::unique_ptr<trainer::RowReader>> reader =
      trainer::RowReader::Open(arguments.data, opened.schema, trainer::Labels::kOptional);
  if (!reader.ok()) return reader.status();
  trainer::Row row;
  for (uint64_t number = 1; number <= arguments.row; ++number) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) {
      return absl::InvalidArgumentError(absl::StrCat(arguments.data, " has ", number - 1,
                                                     " rows; --row asks for row ", arguments.row));
    }
  }
  absl::StatusOr<model::Explanation> explanation = opened.scorer->Explain(row.cells);
  if (!explanation.ok()) {
    return absl::Status(
        explanation.status().code(),
        absl::StrCat((*reader)->Where(), ": ", std::string(explanation.status().message())));
  }
  return explanation;
}

int RunExplain(const ExplainArguments& arguments) {
  absl::StatusOr<TableModel> opened = OpenTableModel(arguments.model, arguments.schema);
  if (!opened.ok()) return Fail("explain", opened.status());
  const absl::StatusOr<model::Explanation> explanation = ExplainRow(arguments, *opened);
  if (!explanation.ok()) return Fail("explain", explanation.status());
  const auto print = arguments.json ? PrintJsonExplanation : PrintExplanation;
  print(Contributions(*opened, *explanation), arguments.top, explanation->w0, explanation->score,
        opened->scorer->Predict(static_cast<float>(explanation->score)));
  return kDone;
}

}  // namespace

void AddExplain(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ExplainArguments>();
  CLI::App* command =
      app.add_subcommand("explain", "Show what the features of a row add to its score.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command->add_option("--data", arguments->data, "Rows")->required()->type_name("FILE");
  command->add_option("--row", arguments->row, "Which row, from 1")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--top", arguments->top, "How many contributions to show")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--schema", arguments->schema,
                   "How the rows are laid out, if not as in training")
      ->type_name("S.yaml");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm explain ctr.fmw --data day3.tsv --row 17");
  command->callback([arguments, &exit_code] { exit_code = RunExplain(*arguments); });
}

}  // namespace fmserve::tools
