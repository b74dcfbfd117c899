#include "tools/completion_script.h"

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace fmserve::tools {
namespace {

struct Word {
  std::string text;
  std::string description;
  bool takes_value = false;
};

std::vector<Word> Subcommands(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    words.push_back({.text = command->get_name(), .description = command->get_description()});
  }
  return words;
}

std::vector<Word> Options(const CLI::App& command) {
  std::vector<Word> words;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.push_back(
          {.text = "--" + name,
           .description = option->get_description(),
           .takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0});
    }
  }
  return words;
}

std::string Texts(const std::vector<Word>& words) {
  return absl::StrJoin(words, " ",
                       [](std::string* out, const Word& word) { absl::StrAppend(out, word.text); });
}

// The branches of a `case` by subcommand, each setting words to its options.
std::string BashBranches(const CLI::App& app, const std::string& indent) {
  std::string branches;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    absl::StrAppend(&branches, indent, command->get_name(), ")");
    if (Subcommands(*command).empty()) {
      absl::StrAppend(&branches, " words='", Texts(Options(*command)), "' ;;\n");
    } else {
      absl::StrAppend(&branches, "\n", indent, "  case ${COMP_WORDS[2]} in\n",
                      BashBranches(*command, indent + "    "), indent, "  esac\n", indent,
                      "  ;;\n");
    }
  }
  return branches;
}

std::string BashScript(const CLI::App& app) {
  const std::string& name = app.get_name();
  std::string script = absl::StrCat("# bash completion of ", name, "\n_", name, "() {\n",
                                    "  local current=${COMP_WORDS[COMP_CWORD]} words=''\n"
                                    "  if ((COMP_CWORD == 1)); then\n    words='",
                                    Texts(Subcommands(app)), "'\n");
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::vector<Word> nested = Subcommands(*command);
    if (nested.empty()) continue;
    absl::StrAppend(&script,
                    "  elif ((COMP_CWORD == 2)) && [[ ${COMP_WORDS[1]} == ", command->get_name(),
                    " ]]; then\n    words='", Texts(nested), "'\n");
  }
  absl::StrAppend(&script, "  elif [[ $current == -* ]]; then\n    case ${COMP_WORDS[1]} in\n",
                  BashBranches(app, "      "),
                  "    esac\n  fi\n"
                  "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\n"
                  "complete -o default -F _",
                  name, " ", name, "\n");
  return script;
}

// For a word in single quotes of a zsh specification.
std::string ZshQuoted(const std::string& text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}, {":", "\\:"}, {"[", "\\["}, {"]", "\\]"}});
}

// A function that completes the subcommands of `app`, then what belongs to each. Functions of
// subcommands that have some of their own come before it.
std::string ZshFunction(const CLI::App& app, const std::string& function) {
  std::string nested;
  std::string script = absl::StrCat(function, "() {\n  local -a commands=(\n");
  for (const Word& word : Subcommands(app)) {
    absl::StrAppend(&script, "    '", word.text, ":", ZshQuoted(word.description), "'\n");
  }
  absl::StrAppend(
      &script,
      "  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n",
      "  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n");
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    absl::StrAppend(&script, "    ", command->get_name(), ")\n      ");
    if (!Subcommands(*command).empty()) {
      const std::string name = absl::StrCat(function, "_", command->get_name());
      nested += ZshFunction(*command, name);
      absl::StrAppend(&script, name, "\n      ;;\n");
      continue;
    }
    script += "_arguments";
    for (const Word& word : Options(*command)) {
      absl::StrAppend(&script, " \\\n        '", word.text, "[", ZshQuoted(word.description), "]",
                      word.takes_value ? ":value:_files" : "", "'");
    }
    absl::StrAppend(&script, " \\\n        '*:file:_files'\n      ;;\n");
  }
  return absl::StrCat(nested, script, "  esac\n}\n");
}

std::string ZshScript(const CLI::App& app) {
  const std::string function = "_" + app.get_name();
  return absl::StrCat("#compdef ", app.get_name(), "\n", ZshFunction(app, function), function,
                      " \"$@\"\n");
}

}  // namespace

std::string CompletionScript(const CLI::App& app, Shell shell) {
  return shell == Shell::kBash ? BashScript(app) : ZshScript(app);
}

}  // namespace fmserve::tools
