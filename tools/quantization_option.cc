#include "tools/quantization_option.h"

#include <CLI/CLI.hpp>

namespace fmserve::tools {

CLI::Option* AddQuantizationOption(CLI::App& command, const std::string& name,
                                   model::Quantization& value, const std::string& description) {
  const auto parse = [&value](const std::string& text) {
    for (const auto quantization :
         {model::Quantization::kF32, model::Quantization::kF16, model::Quantization::kInt8}) {
      if (model::Name(quantization) == text) value = quantization;
    }
  };
  return command.add_option_function<std::string>(name, parse, description)
      ->check(CLI::IsMember({"f32", "f16", "int8"}))
      ->default_str(std::string(model::Name(value)));
}

}  // namespace fmserve::tools
