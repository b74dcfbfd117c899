// Data sets of several files.
#ifndef FMSERVE_TRAINER_ROW_FILES_H_
#define FMSERVE_TRAINER_ROW_FILES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {

inline constexpr size_t kMaxRowFiles = 100000;

// The file at `path`; of a folder all files in it and in its folders, by name, without those whose
// name, or whose folder's, begins with '.' or '_' (which other programs leave there, as _SUCCESS).
// NotFound for a folder without files; InvalidArgument for more than kMaxRowFiles.
absl::StatusOr<std::vector<std::string>> RowFiles(const std::string& path);

// Reads all rows of the file or folder at `path`, one file after the other. `schema` must outlive
// the reader. Errors of RowFiles and, for the first file, of RowReader::Open, here; those of later
// ones from Next.
absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path,
                                                    const TrainingSchema& schema, Labels labels);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_FILES_H_
