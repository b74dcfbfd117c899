// How `fm train` is told to learn.
#ifndef FMSERVE_TOOLS_TRAIN_OPTIONS_H_
#define FMSERVE_TOOLS_TRAIN_OPTIONS_H_

#include "tools/train_report.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

// --kind, --method, and the options of each method. Giving one that the method does not have is
// wrong usage. `arguments` must outlive the parsing.
void AddMethodOptions(CLI::App& command, TrainArguments& arguments);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TRAIN_OPTIONS_H_
