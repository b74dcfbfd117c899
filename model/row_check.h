// What makes rows safe to score and sure to be found. Internal to model/.
#ifndef FMSERVE_MODEL_ROW_CHECK_H_
#define FMSERVE_MODEL_ROW_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "model/checkpoint.h"
#include "model/dictionary.h"
#include "model/row_layout.h"
#include "model/section_table.h"

namespace fmserve::model {

// Every row lies in the slot where the lookup of its key ends, holds finite numbers and zero
// padding; every other slot is all zero; `rows_count` rows are there. DataLoss names the slot and
// its offset; errors of `checkpoint`. `section` holds `rows`.
absl::Status CheckRows(const Section& section, const RowsView& rows, const Dictionary& dictionary,
                       uint64_t rows_count, Checkpoint checkpoint);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ROW_CHECK_H_
