// The subcommands of `fm`, one file each. A new one is its file, a line here and a line in main.cc.
#ifndef FMSERVE_TOOLS_COMMANDS_H_
#define FMSERVE_TOOLS_COMMANDS_H_

namespace CLI {
class App;
}

namespace fmserve::tools {

// Adds the subcommand to `app`. When the command line names it, parsing runs it and sets
// `exit_code` (exit_codes.h); `exit_code` must outlive the parsing.
using AddCommand = void(CLI::App& app, int& exit_code);

AddCommand AddTrain;
AddCommand AddTune;
AddCommand AddEval;
AddCommand AddReport;
AddCommand AddPredict;
AddCommand AddExplain;
AddCommand AddInspect;
AddCommand AddVerify;
AddCommand AddExport;
AddCommand AddImport;
AddCommand AddQuantize;
AddCommand AddPrune;
AddCommand AddAverage;
AddCommand AddCalibrate;
AddCommand AddDiff;
AddCommand AddPatch;
AddCommand AddCatalogue;
AddCommand AddTopK;
AddCommand AddPublish;
AddCommand AddStatus;
AddCommand AddVersions;
AddCommand AddReload;
AddCommand AddRollback;
AddCommand AddPin;
AddCommand AddUnpin;
AddCommand AddApprove;
AddCommand AddReject;
AddCommand AddGateReport;
AddCommand AddHistory;
AddCommand AddRequest;
AddCommand AddLoad;
AddCommand AddLog;
AddCommand AddJoin;
AddCommand AddGenerate;
AddCommand AddCompletion;

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_COMMANDS_H_
