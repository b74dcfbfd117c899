// What there is to know of a weight file besides its weights.
#ifndef FMSERVE_TOOLS_REPORT_MODEL_FACTS_H_
#define FMSERVE_TOOLS_REPORT_MODEL_FACTS_H_

#include <string>
#include <utility>
#include <vector>

#include "model/weight_file.h"

namespace fmserve::tools {

// Pairs of name and value, for people: the header, then data and options of the training, as the
// metadata tell; at most 48.
std::vector<std::pair<std::string, std::string>> ModelFacts(const model::WeightFile& file);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_MODEL_FACTS_H_
