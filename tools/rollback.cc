// fm rollback: serve the previous version again.
#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {

void AddRollback(CLI::App& app, int& exit_code) {
  AddModelCommand(
      app, exit_code, "rollback",
      "Serve the previous version again, at once; the one it replaces is set aside. A canary alone "
      "is "
      "ended and set aside.",
      [](OperatorClient& client, const std::string& model) { return client.Rollback(model); });
}

}  // namespace fmserve::tools
