// fm catalogue build: from a table of items to a catalogue.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/catalogue_file.h"
#include "tools/catalogue/builder.h"
#include "tools/catalogue_command.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/progress.h"

namespace fmserve::tools {
namespace {

struct CatalogueBuildArguments {
  CatalogueBuild build;
  bool json = false;
};

int RunCatalogueBuild(const CatalogueBuildArguments& arguments) {
  const CatalogueBuild& build = arguments.build;
  if (build.weights.empty() && build.schema.empty()) {
    std::cerr << "fm catalogue build: --weights or --schema is required\n";
    return kWrongUsage;
  }
  absl::Status built;
  {
    Progress progress(absl::StrCat("reading ", build.data), 0);
    built = BuildCatalogue(build, [&](uint64_t rows) { progress.Update(rows); });
  }
  if (!built.ok()) return Fail("catalogue build", built);
  const auto file = model::CatalogueFile::Open(build.out);  // as a server would
  if (!file.ok()) {
    return Fail("catalogue build", absl::InternalError(absl::StrCat(
                                       build.out, " was written, but does not read as it should: ",
                                       std::string(file.status().message()))));
  }
  const model::CatalogueInfo& info = (*file)->info();
  std::cerr << "wrote " << build.out << ": " << FormatBytes(info.file_size) << ", "
            << info.items_count << " items, " << info.features_count << " features, "
            << (*file)->attributes().size() << " attributes\n";
  if (arguments.json) {
    PrintJson({{"out", build.out},
               {"model", info.model_name},
               {"items", info.items_count},
               {"features", info.features_count},
               {"attributes", (*file)->attributes().size()},
               {"bids", !(*file)->bids().empty()},
               {"file_bytes", info.file_size}});
  }
  return kDone;
}

void AddItemOptions(CLI::App& command, CatalogueBuild& build) {
  static const std::map<std::string, model::IdType> id_types = {
      {"integer", model::IdType::kInteger}, {"string", model::IdType::kString}};
  command
      .add_option("--data", build.data,
                  "Items, one a row: tsv or csv with a header, also .gz or .zst")
      ->required()
      ->type_name("FILE");
  command.add_option("--id", build.id, "Column with the ids; each stands once")
      ->required()
      ->type_name("COLUMN");
  command
      .add_option("--id-type", build.id_type,
                  "integer or string; if not given, that of the field of the id column, or string")
      ->transform(CLI::CheckedTransformer(id_types).description(""))
      ->type_name("TYPE");
  command.add_option("--attributes", build.attributes, "Columns to filter by, separated by commas")
      ->delimiter(',')
      ->type_name("COLUMNS");
  command.add_option("--bid", build.bid, "Column with the bids: numbers of at least 0")
      ->type_name("COLUMN");
}

}  // namespace

void AddCatalogueBuild(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CatalogueBuildArguments>();
  CatalogueBuild& build = arguments->build;
  CLI::App* command = app.add_subcommand("build", "Build a catalogue from a table of items.");
  command
      ->add_option("--weights", build.weights,
                   "Weight file whose schema the items' features are made with")
      ->type_name("M.fmw");
  command
      ->add_option("--schema", build.schema,
                   "How the rows are laid out, if not as in training; enough without a weight file "
                   "if nothing of the items is standardised")
      ->type_name("S.yaml");
  AddItemOptions(*command, build);
  command->add_option("--model", build.model, "Name of the model; that of the weights if not given")
      ->type_name("NAME");
  command->add_option("--out", build.out, "Catalogue to write")->required()->type_name("C.fmc");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Example:\n  fm catalogue build --weights ctr.fmw --data ads.tsv.zst --id ad_id \\\n"
      "      --attributes advertiser,category --bid cpc --out ads.fmc");
  command->callback([arguments, &exit_code] { exit_code = RunCatalogueBuild(*arguments); });
}

}  // namespace fmserve::tools
