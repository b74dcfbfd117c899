// fm completion: what a shell needs to complete `fm`, made from the commands themselves.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/completion_script.h"
#include "tools/exit_codes.h"

namespace fmserve::tools {

void AddCompletion(CLI::App& app, int& exit_code) {
  static const std::map<std::string, Shell> shells = {{"bash", Shell::kBash}, {"zsh", Shell::kZsh}};
  auto shell = std::make_shared<Shell>(Shell::kBash);
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell.");
  command->add_option("shell", *shell, "Which shell")
      ->required()
      ->transform(CLI::CheckedTransformer(shells).description("bash|zsh"))
      ->type_name("SHELL");
  command->footer(
      "Example:\n  fm completion bash > ~/.local/share/bash-completion/completions/fm\n"
      "  fm completion zsh > \"${fpath[1]}/_fm\"");
  command->callback([shell, &app, &exit_code] {
    std::cout << CompletionScript(app, *shell);
    exit_code = kDone;
  });
}

}  // namespace fmserve::tools
