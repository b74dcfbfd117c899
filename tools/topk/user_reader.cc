#include "tools/topk/user_reader.h"

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::tools {
namespace {

absl::StatusOr<std::unique_ptr<SideTable>> OpenUsers(const std::string& path,
                                                     const TableModel& table_model,
                                                     const std::string& user_column) {
  return SideTable::Open(path, table_model.schema, model::Side::kContext, {{.name = user_column}});
}

}  // namespace

absl::StatusOr<uint64_t> CountUsers(const std::string& path, const TableModel& table_model,
                                    const std::string& user_column,
                                    const std::function<void(uint64_t rows)>& progress) {
  const auto table = OpenUsers(path, table_model, user_column);
  if (!table.ok()) return table.status();
  for (uint64_t rows = 0;; ++rows) {
    const absl::StatusOr<bool> more = (*table)->Next();
    if (!more.ok()) return more.status();
    if (!*more) return rows;
    progress(rows + 1);
  }
}

absl::StatusOr<std::unique_ptr<UserReader>> UserReader::Open(const std::string& path,
                                                             const TableModel& table_model,
                                                             const std::string& user_column) {
  auto table = OpenUsers(path, table_model, user_column);
  if (!table.ok()) return table.status();
  return std::unique_ptr<UserReader>(new UserReader(*std::move(table), table_model.file->schema()));
}

absl::Status UserReader::NextRow() {
  const absl::StatusOr<bool> more = table_->Next();
  if (!more.ok()) return more.status();
  if (*more) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(table_->Where(), ": the file ends here; it was longer a moment ago"));
}

absl::Status UserReader::Skip(uint64_t rows_count) {
  for (uint64_t row = 0; row < rows_count; ++row) {
    if (absl::Status status = NextRow(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status UserReader::Read(size_t users_count, UserBatch& batch) {
  batch.users.clear();
  batch.ends.clear();
  features_.Clear();
  for (size_t i = 0; i < users_count; ++i) {
    if (absl::Status status = NextRow(); !status.ok()) return status;
    const std::string_view user = table_->column(0);
    if (user.find_first_of("\t\r\n") != std::string_view::npos) {
      return table_->Here(absl::InvalidArgumentError(
          absl::StrCat("the user ", model::Quote(user), " contains a tab or a line break")));
    }
    const absl::Status status = encoder_.AddRow(model::Side::kContext, table_->cells());
    if (!status.ok()) return table_->Here(status);
    batch.users.emplace_back(user);
    batch.ends.push_back(features_.size());
  }
  std::swap(batch.features, features_);
  return absl::OkStatus();
}

}  // namespace fmserve::tools
