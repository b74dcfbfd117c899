// fm unpin: follow what is published again.
#include "tools/commands.h"
#include "tools/operator_command.h"

namespace fmserve::tools {

void AddUnpin(CLI::App& app, int& exit_code) {
  AddModelCommand(
      app, exit_code, "unpin", "Serve what is published again, after a pin.",
      [](OperatorClient& client, const std::string& model) { return client.Unpin(model); });
}

}  // namespace fmserve::tools
