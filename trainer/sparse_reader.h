// Sparse text files without a header, label first:
//   libsvm   label id:value id:value …          (Chang and Lin, LIBSVM); '#' begins a comment
//   libffm   label field:id:value …             (Juan et al., LIBFFM)
// A value that is left out is 1. Ids are integers, or words without ':' and '|' in a field of
// strings.
#ifndef FMSERVE_TRAINER_SPARSE_READER_H_
#define FMSERVE_TRAINER_SPARSE_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "trainer/line_reader.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// Either the schema has one multi-valued field, which gets all ids; values other than 1 need it to
// be weighted. Or each line has a feature for every field of the schema, in its order, as files of
// one-hot columns do: fields as of OpenLibffm. InvalidArgument if the schema does not fit.
absl::StatusOr<std::unique_ptr<RowReader>> OpenLibsvm(LineReader lines,
                                                      const TrainingSchema& schema, Labels labels);

// Field i of a line is field i of the schema: multi-valued or categorical (the id, with a value
// that is 1 unless the field is weighted), or numeric (the value; the id is ignored).
// InvalidArgument if the schema does not fit.
absl::StatusOr<std::unique_ptr<RowReader>> OpenLibffm(LineReader lines,
                                                      const TrainingSchema& schema, Labels labels);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_SPARSE_READER_H_
