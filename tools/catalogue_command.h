// The subcommands of `fm catalogue`, one file each (publish is in tools/publish.cc). A new one is
// its file, a line here and a line in catalogue.cc.
#ifndef FMSERVE_TOOLS_CATALOGUE_COMMAND_H_
#define FMSERVE_TOOLS_CATALOGUE_COMMAND_H_

#include "tools/commands.h"

namespace fmserve::tools {

// As AddCommand says, with `fm catalogue` in the place of the app.
AddCommand AddCatalogueBuild;
AddCommand AddCatalogueInspect;
AddCommand AddCataloguePublish;

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_CATALOGUE_COMMAND_H_
