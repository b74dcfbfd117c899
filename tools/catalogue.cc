// fm catalogue: the files of items that can be retrieved.
#include <CLI/CLI.hpp>

#include "tools/catalogue_command.h"
#include "tools/commands.h"

namespace fmserve::tools {

void AddCatalogue(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "catalogue", "Build, inspect or publish a catalogue: the items that can be retrieved.");
  command->require_subcommand(1);
  AddCatalogueBuild(*command, exit_code);
  AddCatalogueInspect(*command, exit_code);
  AddCataloguePublish(*command, exit_code);
  command->footer(
      "Example:\n  fm catalogue build --weights ctr.fmw --data items.tsv --id ad_id --out ads.fmc\n"
      "`fm catalogue COMMAND --help` tells more.");
}

}  // namespace fmserve::tools
