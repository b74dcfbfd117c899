#include "tools/import_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/format.h"

namespace fmserve::tools {

std::string ParityText(const trainer::ParityReport& parity) {
  std::string text = absl::StrFormat(
      "parity over %d rows: differences of at most %.3g, of %.3g in the mean\n"
      "  the largest is in line %d: %.9g here, %.9g there\n",
      parity.rows, parity.max_difference, parity.mean_difference, parity.worst_line,
      parity.worst_ours, parity.worst_theirs);
  if (parity.rows_of_other_norm > 0) {
    absl::StrAppendFormat(&text,
                          "  %d rows have another sum of x^2 than --norm: xLearn scales them "
                          "otherwise, and their scores differ\n",
                          parity.rows_of_other_norm);
  }
  return text;
}

std::string ReportText(const ImportReport& report) {
  std::string text = absl::StrFormat(
      "wrote %s: %s, %s, k = %d, %d features, %s, %d goldens scored as they should\n", report.out,
      std::string(trainer::Name(report.format)), std::string(model::Name(report.prediction.task)),
      report.k, report.rows, FormatBytes(report.bytes), report.goldens);
  if (report.left_out > 0) {
    absl::StrAppendFormat(&text,
                          "  %d features of the model are not in the map and were left out\n",
                          report.left_out);
  }
  if (report.unknown_ids > 0) {
    absl::StrAppendFormat(&text, "  %d ids of the map are not in the model\n", report.unknown_ids);
  }
  if (report.probit) {
    absl::StrAppendFormat(&text,
                          "  the probit link is served as a sigmoid of %g times the score: "
                          "probabilities are up to %g off, in the same order\n",
                          trainer::kProbitScale, trainer::kProbitMaxError);
  }
  if (report.parity) text += ParityText(*report.parity);
  return text;
}

Json ToJson(const ImportReport& report) {
  Json check = nullptr;
  if (report.parity) {
    check = {{"rows", report.parity->rows},
             {"max_difference", report.parity->max_difference},
             {"mean_difference", report.parity->mean_difference},
             {"worst_line", report.parity->worst_line},
             {"rows_of_other_norm", report.parity->rows_of_other_norm}};
  }
  return {{"out", report.out},
          {"format", std::string(trainer::Name(report.format))},
          {"task", std::string(model::Name(report.prediction.task))},
          {"k", report.k},
          {"rows", report.rows},
          {"left_out", report.left_out},
          {"unknown_ids", report.unknown_ids},
          {"bytes", report.bytes},
          {"goldens", report.goldens},
          {"check", std::move(check)}};
}

}  // namespace fmserve::tools
