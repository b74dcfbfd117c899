// Features as people read them.
#ifndef FMSERVE_TOOLS_FEATURE_TEXT_H_
#define FMSERVE_TOOLS_FEATURE_TEXT_H_

#include <cstdint>
#include <string>

#include "model/weight_file.h"

namespace fmserve::tools {

// "field=value": the value's name, or its key in hex; "(unknown)" behind one without a row.
std::string FeatureText(const model::WeightFile& file, uint8_t field, uint64_t key);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_FEATURE_TEXT_H_
