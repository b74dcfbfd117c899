// fm reload: look for a newer version now.
#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {

void AddReload(CLI::App& app, int& exit_code) {
  AddModelCommand(
      app, exit_code, "reload",
      "Look for a newer version now, also for one that was rejected before, and wait for it.",
      [](OperatorClient& client, const std::string& model) { return client.Reload(model); });
}

}  // namespace fmserve::tools
