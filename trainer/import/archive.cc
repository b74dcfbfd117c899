#include "trainer/import/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::trainer {
namespace {

struct CloseArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

class ArchiveReader {
 public:
  ArchiveReader() : reader_(archive_read_new()) {}

  absl::Status Open(std::string_view bytes) {
    archive* const reader = reader_.get();
    const bool open = reader != nullptr && archive_read_support_filter_gzip(reader) == ARCHIVE_OK &&
                      archive_read_support_format_tar(reader) == ARCHIVE_OK &&
                      archive_read_support_format_zip(reader) == ARCHIVE_OK &&
                      archive_read_open_memory(reader, bytes.data(), bytes.size()) == ARCHIVE_OK;
    return open ? absl::OkStatus() : Error("neither a tar nor a zip archive");
  }

  // Goes to the next member; false at the end. Warnings of libarchive count as errors: they tell of
  // headers that are not what they should be.
  absl::StatusOr<bool> Next() {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return false;
    if (result != ARCHIVE_OK) return Error("the archive is damaged");
    const char* const path = archive_entry_pathname(entry);
    name_ = path == nullptr ? "" : path;
    name_.erase(0, name_.rfind('/') + 1);
    is_file_ = archive_entry_filetype(entry) == AE_IFREG;
    if (++members_ > kMaxMembers) {
      return Error(absl::StrCat("more than the ", kMaxMembers, " members allowed"));
    }
    return true;
  }

  absl::StatusOr<std::string> Content() {
    std::string content;
    while (true) {
      const void* block = nullptr;
      size_t size_bytes = 0;
      la_int64_t offset = 0;
      const int result = archive_read_data_block(reader_.get(), &block, &size_bytes, &offset);
      if (result == ARCHIVE_EOF) return content;
      if (result != ARCHIVE_OK) return Error("the member is damaged");
      if (offset != static_cast<la_int64_t>(content.size())) return Error("the member is sparse");
      unpacked_bytes_ += size_bytes;
      if (unpacked_bytes_ > kMaxUnpackedBytes) {
        return Error(absl::StrCat("more than the ", kMaxUnpackedBytes, " bytes allowed"));
      }
      content.append(static_cast<const char*>(block), size_bytes);
    }
  }

  const std::string& name() const { return name_; }
  bool is_file() const { return is_file_; }

 private:
  absl::Status Error(std::string_view reason) const {
    const char* const detail = reader_ == nullptr ? nullptr : archive_error_string(reader_.get());
    const la_int64_t at = reader_ == nullptr ? 0 : archive_filter_bytes(reader_.get(), -1);
    return absl::InvalidArgumentError(absl::StrCat(
        "byte ", at, ": ", name_.empty() ? "" : absl::StrCat("member ", model::Quote(name_), ": "),
        std::string(reason), detail == nullptr ? "" : absl::StrCat(" (", detail, ")")));
  }

  std::unique_ptr<archive, CloseArchive> reader_;
  std::string name_;  // of the member
  bool is_file_ = false;
  uint64_t members_ = 0;
  uint64_t unpacked_bytes_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<ArchiveMember>> ReadArchive(
    std::string_view bytes, absl::FunctionRef<bool(std::string_view name)> wanted) {
  ArchiveReader reader;
  if (absl::Status status = reader.Open(bytes); !status.ok()) return status;
  std::vector<ArchiveMember> members;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next();
    if (!more.ok()) return more.status();
    if (!*more) return members;
    if (!reader.is_file() || !wanted(reader.name())) continue;
    absl::StatusOr<std::string> content = reader.Content();
    if (!content.ok()) return content.status();
    members.push_back({.name = reader.name(), .content = *std::move(content)});
  }
}

}  // namespace fmserve::trainer
