// The parameters as libFM's -save_model writes them.
#ifndef FMSERVE_TOOLS_LIBFM_TEXT_H_
#define FMSERVE_TOOLS_LIBFM_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "trainer/row_table.h"

namespace fmserve::tools {

// Three sections: the bias, a weight per id, k factors per id. Numbers have as many digits as it
// takes to tell them from their neighbours.
//
// With `map_path` features are numbered from 0 in the order of the file, and lines
// "id<TAB>field<TAB>value" there say which is which, as fm import takes them. Without, when
// `map_path` is "", the values are the ids: InvalidArgument unless the model has one field, of
// integers from 0 on with few gaps, and no row for missing or rare values. Ids of gaps get zeros.
// The file has names. Unavailable names a file that cannot be written whole.
absl::Status ExportLibfm(const trainer::FileRows& rows, const std::string& path,
                         const std::string& map_path);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LIBFM_TEXT_H_
