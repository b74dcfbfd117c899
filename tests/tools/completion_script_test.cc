#include "tools/completion_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    CLI::App* load = app_.add_subcommand("load", "Send requests: it's quick");
    load->add_option("--rate", rate_, "Requests [per second]");
    load->add_flag("--json", json_, "Print JSON");
    app_.add_subcommand("list", "List");
    CLI::App* box = app_.add_subcommand("box", "Boxes");
    box->add_subcommand("open", "Open a box")->add_option("--lid", lid_, "Which lid");
  }

  // What bash offers for these words, the last of which is being typed.
  std::string Bash(const std::string& words, int current) const {
    const std::string path =
        absl::StrCat(::testing::TempDir(), "completion_", getpid(), ".bash");  // tests run at once
    std::ofstream(path) << CompletionScript(app_, Shell::kBash) << "COMP_WORDS=(" << words
                        << ")\nCOMP_CWORD=" << current << "\n_fm\necho -n \"${COMPREPLY[*]}\"\n";
    std::FILE* pipe =
        popen(("bash " + path).c_str(), "r");  // NOLINT(cert-env33-c): a script of our own
    std::string offered;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) offered += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0);
    return offered;
  }

  CLI::App app_{"Does things.", "fm"};
  double rate_ = 0.0;
  bool json_ = false;
  double lid_ = 0.0;
};

TEST_F(CompletionTest, BashOffersSubcommandsFirst) {
  EXPECT_EQ(Bash("fm l", 1), "load list");
  EXPECT_EQ(Bash("fm lo", 1), "load");
}

TEST_F(CompletionTest, BashOffersTheOptionsOfTheSubcommand) {
  EXPECT_EQ(Bash("fm load --", 2), "--help --rate --json");
  EXPECT_EQ(Bash("fm list --", 2), "--help");
  EXPECT_EQ(Bash("fm load --rate 5 --j", 4), "--json");
}

TEST_F(CompletionTest, BashOffersSubcommandsOfSubcommandsAndTheirOptions) {
  EXPECT_EQ(Bash("fm box ''", 2), "open");
  EXPECT_EQ(Bash("fm box open --", 3), "--help --lid");
  EXPECT_EQ(Bash("fm box open --lid 3", 4), "");
  EXPECT_EQ(Bash("fm load open --", 3), "--help --rate --json");
}

TEST_F(CompletionTest, ZshCompletesSubcommandsOfSubcommandsByAFunctionOfTheirOwn) {
  const std::string script = CompletionScript(app_, Shell::kZsh);
  EXPECT_THAT(script, HasSubstr("_fm_box() {\n  local -a commands=(\n    'open:Open a box'"));
  EXPECT_THAT(script, HasSubstr("    box)\n      _fm_box\n      ;;"));
}

TEST_F(CompletionTest, BashLeavesOtherWordsToFileNames) { EXPECT_EQ(Bash("fm load x", 2), ""); }

TEST_F(CompletionTest, ZshDescribesCommandsAndOptionsWithTheirSpecialCharactersQuoted) {
  const std::string script = CompletionScript(app_, Shell::kZsh);
  EXPECT_THAT(script, HasSubstr("#compdef fm\n"));
  EXPECT_THAT(script, HasSubstr("'load:Send requests\\: it'\\''s quick'"));
  EXPECT_THAT(script, HasSubstr("'--rate[Requests \\[per second\\]]:value:_files'"));
  EXPECT_THAT(script, HasSubstr("'--json[Print JSON]'"));
}

}  // namespace
}  // namespace fmserve::tools
