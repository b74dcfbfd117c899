// The table of labelled rows.
#ifndef FMSERVE_TOOLS_JOIN_ROW_WRITER_H_
#define FMSERVE_TOOLS_JOIN_ROW_WRITER_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/atomic_file.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {

// Appears whole or not at all. Movable; one thread. Errors name the path.
class RowWriter {
 public:
  // Writes the header: the label's column and those of the fields. InvalidArgument when the schema
  // names no label, or its format or the name of the file is not tsv or csv.
  static absl::StatusOr<RowWriter> Create(const std::string& path,
                                          const trainer::TrainingSchema& schema);

  // False, and nothing is written, when a cell cannot stand in a tsv file: that has no quotes.
  absl::StatusOr<bool> Write(bool label, std::span<const std::string> cells);

  absl::Status Commit() { return file_.Commit(); }

 private:
  RowWriter(model::AtomicFile file, bool quotes, char separator)
      : file_(std::move(file)), quotes_(quotes), separator_(separator) {}
  bool AppendCell(std::string_view cell);
  absl::Status AppendLine();

  model::AtomicFile file_;
  bool quotes_;
  char separator_;
  std::string line_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_ROW_WRITER_H_
