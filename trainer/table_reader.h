// Tables with a header line: tab-separated without quoting, or comma-separated as in RFC 4180.
#ifndef FMSERVE_TRAINER_TABLE_READER_H_
#define FMSERVE_TRAINER_TABLE_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "trainer/line_reader.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// `format` is kTsv or kCsv. Columns are found by their names in the header; those that the schema
// does not name are ignored.
absl::StatusOr<std::unique_ptr<RowReader>> OpenTable(TableFormat format, LineReader lines,
                                                     const TrainingSchema& schema, Labels labels);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_TABLE_READER_H_
