// A table as one side of a model sees it: the cells of that side's fields, and other columns.
#ifndef FMSERVE_TOOLS_SIDE_TABLE_H_
#define FMSERVE_TOOLS_SIDE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {

// A column that is read beside the fields; it may be that of a field, too.
struct TableColumn {
  std::string name;
  bool list = false;  // values are separated as in the lists of the table
};

// One thread.
class SideTable {
 public:
  // Opens a tsv or csv file, also .gz or .zst, laid out as `layout` says, and reads its header.
  // It needs the columns of the fields of that side, and `columns`; others are ignored, labels
  // too. Errors of trainer::RowReader::Open; InvalidArgument for a format without columns.
  static absl::StatusOr<std::unique_ptr<SideTable>> Open(const std::string& path,
                                                         const trainer::TrainingSchema& layout,
                                                         model::Side side,
                                                         const std::vector<TableColumn>& columns);

  // Goes to the next row; false at the end. InvalidArgument names file and line.
  absl::StatusOr<bool> Next();

  // For FeatureEncoder::AddRow: one cell per field of the layout, "" for those of the other side.
  // Valid until Next.
  std::span<const std::string_view> cells() const { return cells_; }

  // The cell of columns[i], with values of a list separated by '|'. Valid until Next.
  std::string_view column(size_t i) const { return row_.cells[column_cells_[i]]; }

  // Where the row begins, from 1.
  uint64_t line() const { return row_.line; }

  // "path:line" of the row.
  std::string Where() const { return reader_->Where(); }

  // `status` with Where() before its message.
  absl::Status Here(const absl::Status& status) const;

 private:
  SideTable() = default;
  size_t AddColumn(const std::string& name, bool list);
  absl::Status OpenReader(const std::string& path, const trainer::TrainingSchema& layout);

  trainer::TrainingSchema read_;  // a field for each column that is read
  std::vector<bool> lists_;       // of each column that is read
  std::unique_ptr<trainer::RowReader> reader_;
  trainer::Row row_;
  std::vector<size_t> fields_;        // of that side
  std::vector<size_t> field_cells_;   // the cell of each of them in row_
  std::vector<size_t> column_cells_;  // the cell of each of `columns`
  std::vector<std::string_view> cells_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_SIDE_TABLE_H_
