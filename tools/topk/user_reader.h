// Users from a table, with the features of their contexts.
#ifndef FMSERVE_TOOLS_TOPK_USER_READER_H_
#define FMSERVE_TOOLS_TOPK_USER_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/feature_encoder.h"
#include "model/feature_list.h"
#include "tools/side_table.h"
#include "tools/table_model.h"

namespace fmserve::tools {

struct UserBatch {
  std::vector<std::string> users;
  model::FeatureList features;  // of all users, one after the other
  std::vector<size_t> ends;     // per user: where its features end

  model::FeatureSpan context(size_t user) const {
    const size_t begin = user == 0 ? 0 : ends[user - 1];
    return features.view().subspan(begin, ends[user] - begin);
  }
};

// How many rows the table has. `progress` is called with the number of rows so far. Errors as
// SideTable.
absl::StatusOr<uint64_t> CountUsers(const std::string& path, const TableModel& table_model,
                                    const std::string& user_column,
                                    const std::function<void(uint64_t rows)>& progress);

// One thread.
class UserReader {
 public:
  // `table_model` must outlive the reader. Errors as SideTable::Open.
  static absl::StatusOr<std::unique_ptr<UserReader>> Open(const std::string& path,
                                                          const TableModel& table_model,
                                                          const std::string& user_column);

  // Leaves out so many rows; InvalidArgument when there are fewer, or one is malformed.
  absl::Status Skip(uint64_t rows_count);

  // Replaces the batch by the next `users_count` rows. InvalidArgument names file and line of a
  // malformed row, of a value that a field refuses and of a user with a tab or a line break, and
  // the file when it has fewer rows.
  absl::Status Read(size_t users_count, UserBatch& batch);

 private:
  UserReader(std::unique_ptr<SideTable> table, const model::FeatureSchema& schema)
      : table_(std::move(table)), encoder_(schema, &features_) {}
  absl::Status NextRow();

  std::unique_ptr<SideTable> table_;
  model::FeatureList features_;
  model::FeatureEncoder encoder_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TOPK_USER_READER_H_
