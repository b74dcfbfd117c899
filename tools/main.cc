// fm: trains, checks, publishes and operates weight files.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>

#include "tools/commands.h"
#include "tools/exit_codes.h"

namespace fmserve::tools {
namespace {

constexpr AddCommand* kCommands[] = {
    AddTrain,   AddTune,     AddEval,      AddReport,   AddPredict, AddExplain,  AddInspect,
    AddVerify,  AddExport,   AddImport,    AddQuantize, AddPrune,   AddAverage,  AddCalibrate,
    AddDiff,    AddPatch,    AddCatalogue, AddTopK,     AddPublish, AddStatus,   AddVersions,
    AddReload,  AddRollback, AddPin,       AddUnpin,    AddApprove, AddReject,   AddGateReport,
    AddHistory, AddRequest,  AddLoad,      AddLog,      AddJoin,    AddGenerate, AddCompletion,
};

// An answer that a full disk has cut short is none.
int CheckOutput(int exit_code) {
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  std::cerr << "fm: standard output cannot be written\n";
  return kFailed;
}

int Main(int argc, char** argv) {
  CLI::App app("Trains, checks and serves factorization machines.", "fm");
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input data or file.\n"
      "Example:\n  fm train --schema ctr.yaml --train day1.tsv --valid day2.tsv --out ctr.fmw\n"
      "`fm COMMAND --help` tells more.");
  app.require_subcommand(1);
  int exit_code = kDone;
  for (AddCommand* add : kCommands) add(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kWrongUsage;
  } catch (const std::exception& error) {  // of memory, above all
    std::cerr << "fm: " << error.what() << "\n";
    return kFailed;
  }
  return CheckOutput(exit_code);
}

}  // namespace
}  // namespace fmserve::tools

int main(int argc, char** argv) { return fmserve::tools::Main(argc, argv); }
