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

std::string BashScript(const CLI::App& app) {
  const std::string& name = app.get_name();
  std::string script =
      absl::StrCat("# bash completion of ", name, "\n_", name, "() {\n",
                   "  local current=${COMP_WORDS[COMP_CWORD]} words\n"
                   "  if ((COMP_CWORD == 1)); then\n    words='",
                   Texts(Subcommands(app)), "'\n  else\n    case ${COMP_WORDS[1]} in\n");
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    absl::StrAppend(&script, "      ", command->get_name(), ") words='", Texts(Options(*command)),
                    "' ;;\n");
  }
  absl::StrAppend(&script,
                  "      *) words='' ;;\n    esac\n    [[ $current == -* ]] || words=''\n  fi\n"
                  "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\n"
                  "complete -o default -F _",
                  name, " ", name, "\n");
  return script;
}

// For a word in single quotes of a zsh specification.
std::string ZshQuoted(const std::string& text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}, {":", "\\:"}, {"[", "\\["}, {"]", "\\]"}});
}

std::string ZshScript(const CLI::App& app) {
  const std::string& name = app.get_name();
  std::string script =
      absl::StrCat("#compdef ", name, "\n_", name, "() {\n  local -a commands=(\n");
  for (const Word& word : Subcommands(app)) {
    absl::StrAppend(&script, "    '", word.text, ":", ZshQuoted(word.description), "'\n");
  }
  absl::StrAppend(
      &script,
      "  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n",
      "  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n");
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    absl::StrAppend(&script, "    ", command->get_name(), ")\n      _arguments");
    for (const Word& word : Options(*command)) {
      absl::StrAppend(&script, " \\\n        '", word.text, "[", ZshQuoted(word.description), "]",
                      word.takes_value ? ":value:_files" : "", "'");
    }
    absl::StrAppend(&script, " \\\n        '*:file:_files'\n      ;;\n");
  }
  absl::StrAppend(&script, "  esac\n}\n_", name, " \"$@\"\n");
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, Shell shell) {
  return shell == Shell::kBash ? BashScript(app) : ZshScript(app);
}

}  // namespace fmserve::tools
