// What the readers of texts share: rows that come one after the other, all of one width.
#ifndef FMSERVE_TRAINER_IMPORT_ROWS_TEXT_H_
#define FMSERVE_TRAINER_IMPORT_ROWS_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/types.h"
#include "trainer/import/imported_model.h"
#include "trainer/import/text_cursor.h"

namespace fmserve::trainer {

// InvalidArgument when there are as many rows already as there can be.
inline absl::Status CheckRoom(const ImportedModel& model, const TextCursor& text) {
  if (model.rows() < kMaxImportedRows) return absl::OkStatus();
  return text.Error(absl::StrCat("more than ", kMaxImportedRows, " features"));
}

// Takes the rest of the line as factors: any number of them for the first row, and as many for the
// others. InvalidArgument if there are more than a weight file holds.
inline absl::Status AppendFactors(TextCursor& text, bool is_first, ImportedModel& model) {
  const size_t begin = model.v.size();
  while (!text.AtLineEnd()) {
    const absl::StatusOr<double> value = text.Number();
    if (!value.ok()) return value.status();
    model.v.push_back(static_cast<float>(*value));
    if (model.v.size() - begin > model::kMaxK) {
      return text.Error(absl::StrCat("more than ", model::kMaxK, " factors"));
    }
  }
  const auto factors = static_cast<uint32_t>(model.v.size() - begin);
  if (is_first) model.k = factors;
  if (factors == model.k) return absl::OkStatus();
  return text.Error(absl::StrCat(factors, " factors, the first feature has ", model.k));
}

// A weight file has at least one factor: those of a linear model are 0.
inline void GiveLinearModelAFactor(ImportedModel& model) {
  if (model.k > 0) return;
  model.k = 1;
  model.v.assign(model.rows(), 0.0F);
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_ROWS_TEXT_H_
