#include "trainer/row_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

bool IsOfOtherPrograms(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.starts_with('_');
}

absl::Status OfFolder(const std::string& path, const std::error_code& error) {
  return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": cannot be listed"));
}

// Rows of several files, one file after the other.
class FilesReader : public RowReader {
 public:
  FilesReader(std::vector<std::string> files, const TrainingSchema& schema, Labels labels,
              std::unique_ptr<RowReader> first)
      : files_(std::move(files)), schema_(schema), labels_(labels), file_(std::move(first)) {}

  absl::StatusOr<bool> Next(Row* row) override {
    while (true) {
      const absl::StatusOr<bool> more = file_->Next(row);
      if (!more.ok() || *more || next_file_ == files_.size()) return more;
      absl::StatusOr<std::unique_ptr<RowReader>> opened =
          RowReader::Open(files_[next_file_], schema_, labels_);
      if (!opened.ok()) return opened.status();
      file_ = *std::move(opened);
      ++next_file_;
    }
  }

  std::string Where() const override { return file_->Where(); }

 private:
  const std::vector<std::string> files_;
  const TrainingSchema& schema_;
  const Labels labels_;
  std::unique_ptr<RowReader> file_;
  size_t next_file_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> RowFiles(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  // What is not there, and pipes, are RowReader's to judge.
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  fs::recursive_directory_iterator it(path, fs::directory_options::follow_directory_symlink, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const bool folder = it->is_directory(error);
    if (error) break;
    if (IsOfOtherPrograms(it->path())) {
      if (folder) it.disable_recursion_pending();
    } else if (!folder) {
      files.push_back(it->path().string());
    }
    if (files.size() > kMaxRowFiles) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": more than ", kMaxRowFiles, " files; put them together"));
    }
  }
  if (error) return OfFolder(path, error);
  if (files.empty()) return absl::NotFoundError(absl::StrCat(path, ": no file is in this folder"));
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path,
                                                    const TrainingSchema& schema, Labels labels) {
  absl::StatusOr<std::vector<std::string>> files = RowFiles(path);
  if (!files.ok()) return files.status();
  absl::StatusOr<std::unique_ptr<RowReader>> first =
      RowReader::Open(files->front(), schema, labels);
  if (!first.ok() || files->size() == 1) return first;
  return std::make_unique<FilesReader>(*std::move(files), schema, labels, *std::move(first));
}

}  // namespace fmserve::trainer
