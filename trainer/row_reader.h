// Rows of labelled examples, in one shape, from tables (tsv, csv) and sparse files (libsvm,
// libffm).
#ifndef FMSERVE_TRAINER_ROW_READER_H_
#define FMSERVE_TRAINER_ROW_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/chunk_stream.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

enum class Labels : uint8_t { kRequired, kOptional };

struct Row {
  std::optional<float> label;  // 0 or 1 for a binary task; nothing if the file has no labels
  float weight = 1.0F;         // how much it counts, 0 to kMaxRowWeight; 1 without such a column
  std::span<const std::string_view> cells;  // one per field, in the order of the schema
  uint64_t line = 0;                        // where the row begins, from 1
};

inline constexpr float kMaxRowWeight = 1e6F;

// A table may begin with it; it is not part of the first column's name.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// One thread. Does not allocate per row once it has seen the longest.
class RowReader {
 public:
  virtual ~RowReader() = default;

  // Opens a plain, gzip or zstd file and reads its header. `schema` must outlive the reader.
  // NotFound and other errors of the system name the path; InvalidArgument names missing columns,
  // or the file whose name does not tell its format.
  static absl::StatusOr<std::unique_ptr<RowReader>> Open(const std::string& path,
                                                         const TrainingSchema& schema,
                                                         Labels labels);

  // The same for a piece of a file. Errors and Row::line give the lines of the whole file.
  static absl::StatusOr<std::unique_ptr<RowReader>> OpenChunk(Chunk chunk,
                                                              const TrainingSchema& schema,
                                                              Labels labels);

  // Sets `row` to the next one; false at the end. Its cells are valid until the next call and have
  // the syntax of FeatureEncoder::AddText; they are not checked. Empty lines are skipped.
  // InvalidArgument names file, line and column of a bad label or a malformed line.
  virtual absl::StatusOr<bool> Next(Row* row) = 0;

  // "path:line" of the last row, for errors that the caller finds in it.
  virtual std::string Where() const = 0;
};

// The format that the name of a file tells, with or without .gz or .zst behind it: .tsv; .csv;
// .libsvm and .svm; .libffm and .ffm.
std::optional<TableFormat> FormatOfPath(std::string_view path);

// The format that the schema or else the name of the file tells. InvalidArgument if neither does.
absl::StatusOr<TableFormat> FormatOf(const std::string& path, const TrainingSchema& schema);

// 0 to kMaxRowWeight. InvalidArgument tells what is allowed.
absl::StatusOr<float> ParseWeight(std::string_view text);

// Binary: 1 is 1; 0 and -1 are 0. Regression: any finite number. A leading '+' is allowed.
// InvalidArgument tells what is allowed.
absl::StatusOr<float> ParseLabel(model::Task task, std::string_view text);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_READER_H_
