// How `fm train` is told to learn.
#ifndef FMSERVE_TOOLS_TRAIN_OPTIONS_H_
#define FMSERVE_TOOLS_TRAIN_OPTIONS_H_

#include "tools/train_report.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

// The group of the options that only --kind fwfm has.
inline constexpr char kFieldOptions[] = "Options of --kind fwfm";

// --kind and --method, and the options of each. Giving one that the kind or the method does not
// have is wrong usage. `arguments` must outlive the parsing.
void AddLearningOptions(CLI::App& command, TrainArguments& arguments);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TRAIN_OPTIONS_H_
