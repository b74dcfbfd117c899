// What `fm import` says when it is done.
#ifndef FMSERVE_TOOLS_IMPORT_REPORT_H_
#define FMSERVE_TOOLS_IMPORT_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "tools/json_output.h"
#include "trainer/import/answers.h"
#include "trainer/import/parity.h"
#include "trainer/import/readers.h"

namespace fmserve::tools {

struct ImportReport {
  std::string out;
  trainer::ImportFormat format = trainer::ImportFormat::kLibfm;
  trainer::Prediction prediction;
  bool probit = false;  // which is served as a sigmoid
  uint32_t k = 0;
  uint64_t rows = 0;
  uint64_t left_out = 0;     // rows of the model without a feature in the map
  uint64_t unknown_ids = 0;  // of the map
  uint64_t bytes = 0;
  size_t goldens = 0;
  std::optional<trainer::ParityReport> parity{};
};

// Lines for people.
std::string ParityText(const trainer::ParityReport& parity);
std::string ReportText(const ImportReport& report);

// The object of --json; "check" is null without a check.
Json ToJson(const ImportReport& report);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_IMPORT_REPORT_H_
