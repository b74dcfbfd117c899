// Options that take a quantization: f32, f16 or int8.
#ifndef FMSERVE_TOOLS_QUANTIZATION_OPTION_H_
#define FMSERVE_TOOLS_QUANTIZATION_OPTION_H_

#include <string>

#include "model/types.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fmserve::tools {

// `value` keeps what it has when the option is not given; it must outlive the parsing.
CLI::Option* AddQuantizationOption(CLI::App& command, const std::string& name,
                                   model::Quantization& value, const std::string& description);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_QUANTIZATION_OPTION_H_
