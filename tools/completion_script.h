// Completion scripts from the tree of commands and options: there is no list to keep by hand.
#ifndef FMSERVE_TOOLS_COMPLETION_SCRIPT_H_
#define FMSERVE_TOOLS_COMPLETION_SCRIPT_H_

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace fmserve::tools {

enum class Shell : uint8_t { kBash, kZsh };

// Completes subcommands, also those of subcommands, then the options of the subcommand; everything
// else as file names.
// Descriptions show in zsh.
std::string CompletionScript(const CLI::App& app, Shell shell);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_COMPLETION_SCRIPT_H_
