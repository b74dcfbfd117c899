// What `fm import` is told on the command line.
#ifndef FMSERVE_TOOLS_IMPORT_OPTIONS_H_
#define FMSERVE_TOOLS_IMPORT_OPTIONS_H_

#include <optional>
#include <string>

#include "model/types.h"
#include "trainer/import/answers.h"
#include "trainer/import/parity.h"
#include "trainer/import/readers.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

struct ImportArguments {
  std::string file;
  std::optional<trainer::ImportFormat> format;  // nothing: told by the first bytes
  trainer::ImportAnswers answers;
  std::string schema;  // "": the default of files that know features by their ids
  std::string map;     // "": none
  bool drop_unmapped = false;
  std::string out;
  std::string name = "fm";
  model::Quantization quantization = model::Quantization::kF32;
  bool no_names = false;
  trainer::ParityInput parity;           // without predictions: no check
  std::optional<double> max_difference;  // of the check
  bool json = false;
};

// `arguments` must outlive the parsing.
void AddImportOptions(CLI::App& command, ImportArguments& arguments);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_IMPORT_OPTIONS_H_
