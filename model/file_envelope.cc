#include "model/file_envelope.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

absl::Status CheckTable(const FileEnvelope& header, size_t image_bytes) {
  if (header.header_size != sizeof(FileEnvelope)) {
    return HeaderProblem(
        offsetof(FileEnvelope, header_size),
        absl::StrCat("the header has ", header.header_size, " bytes, not ", sizeof(FileEnvelope)));
  }
  if (header.sections_count > format::kMaxSections) {
    return HeaderProblem(offsetof(FileEnvelope, sections_count),
                         absl::StrCat(header.sections_count, " sections, more than ",
                                      format::kMaxSections, " are not allowed"));
  }
  if (TableEnd(header.sections_count) > image_bytes) {
    return HeaderProblem(offsetof(FileEnvelope, sections_count),
                         absl::StrCat("a table of ", header.sections_count,
                                      " sections does not fit in ", image_bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status HeaderProblem(size_t offset, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("header at offset ", offset, ": ", what));
}

absl::Status CheckModelName(std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("the model name is empty");
  if (name.size() >= sizeof(FileEnvelope::model_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model name has ", name.size(), " bytes, more than ",
                     sizeof(FileEnvelope::model_name) - 1, " are not allowed"));
  }
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), allowed) || name.front() == '.') {
    return absl::InvalidArgumentError(
        "the model name has characters other than A-Z a-z 0-9 _ . - or begins with a dot");
  }
  return absl::OkStatus();
}

void SetModelName(std::string_view name, std::span<char, 64> field) {
  std::fill(field.begin(), field.end(), '\0');
  std::copy(name.begin(), name.end(), field.begin());
}

absl::Status CheckNameField(std::span<const char, 64> field) {
  constexpr size_t kOffset = offsetof(FileEnvelope, model_name);
  const auto end = std::find(field.begin(), field.end(), '\0');
  if (end == field.end()) return HeaderProblem(kOffset, "the model name does not end in NUL");
  if (!std::all_of(end, field.end(), [](char c) { return c == '\0'; })) {
    return HeaderProblem(kOffset, "the model name is not padded with NUL");
  }
  const absl::Status status =
      CheckModelName({field.data(), static_cast<size_t>(end - field.begin())});
  return status.ok() ? status : HeaderProblem(kOffset, std::string(status.message()));
}

absl::Status CheckEnvelope(std::span<const std::byte> image, const FileKind& kind) {
  FileEnvelope header;
  if (image.size() < sizeof(header)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a ", kind.name, ": ", image.size(), " bytes, shorter than a header"));
  }
  std::memcpy(&header, image.data(), sizeof(header));
  if (std::memcmp(header.magic, kind.magic, sizeof(header.magic)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a ", kind.name, ": header at offset 0: the magic is not ", kind.magic));
  }
  if (header.format_major != kind.format_major) {
    return absl::UnimplementedError(
        absl::StrCat("header at offset ", offsetof(FileEnvelope, format_major), ": format version ",
                     header.format_major, ".", header.format_minor, "; this program reads version ",
                     kind.format_major));
  }
  if (absl::Status status = CheckTable(header, image.size()); !status.ok())
    return absl::DataLossError(status.message());
  const Checksum checksum = HeaderChecksum(image, header.sections_count);
  if (std::memcmp(checksum.data(), header.header_checksum, checksum.size()) != 0) {
    return absl::DataLossError(HeaderProblem(offsetof(FileEnvelope, header_checksum),
                                             "the checksum does not match header and table")
                                   .message());
  }
  return absl::OkStatus();
}

absl::Status CheckFileSize(uint64_t file_size, size_t bytes_count) {
  if (file_size == bytes_count) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("header at offset ", offsetof(FileEnvelope, file_size),
                                          ": a file of ", file_size, " bytes, but there are ",
                                          bytes_count));
}

Checksum HeaderChecksum(std::span<const std::byte> image, uint32_t sections_count) {
  Hasher hasher;
  hasher.Update(image.first(offsetof(FileEnvelope, header_checksum)));
  hasher.Update(
      image.subspan(sizeof(FileEnvelope), TableEnd(sections_count) - sizeof(FileEnvelope)));
  return hasher.Digest();
}

}  // namespace fmserve::model
