// What weight files and catalogues have in common: a header of 256 bytes with magic, version, sizes
// and name, a table of sections, and one checksum of both. Internal to model/.
#ifndef FMSERVE_MODEL_FILE_ENVELOPE_H_
#define FMSERVE_MODEL_FILE_ENVELOPE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checksum.h"
#include "model/weight_format.h"

namespace fmserve::model {

// The fields of every header, at the same offsets; the others belong to the kind of file.
struct FileEnvelope {
  char magic[8];
  uint16_t format_major;
  uint16_t format_minor;
  uint32_t header_size;
  uint64_t file_size;
  uint64_t version;
  uint64_t created_unix_us;
  char model_name[64];
  uint8_t of_the_kind[28];
  uint32_t sections_count;
  uint8_t of_the_kind_too[104];
  uint8_t header_checksum[16];
};

template <typename Header>
inline constexpr bool kHasEnvelope =
    sizeof(Header) == sizeof(FileEnvelope) &&
    offsetof(Header, magic) == offsetof(FileEnvelope, magic) &&
    offsetof(Header, format_major) == offsetof(FileEnvelope, format_major) &&
    offsetof(Header, format_minor) == offsetof(FileEnvelope, format_minor) &&
    offsetof(Header, header_size) == offsetof(FileEnvelope, header_size) &&
    offsetof(Header, file_size) == offsetof(FileEnvelope, file_size) &&
    offsetof(Header, version) == offsetof(FileEnvelope, version) &&
    offsetof(Header, created_unix_us) == offsetof(FileEnvelope, created_unix_us) &&
    offsetof(Header, model_name) == offsetof(FileEnvelope, model_name) &&
    offsetof(Header, sections_count) == offsetof(FileEnvelope, sections_count) &&
    offsetof(Header, header_checksum) == offsetof(FileEnvelope, header_checksum);
static_assert(kHasEnvelope<format::FileHeader>);

// A kind of file.
struct FileKind {
  const char* name;  // "weight file"
  const char* magic;
  uint16_t format_major;
  uint16_t format_minor;
  const char* (*section_name)(uint32_t type);  // "unknown" for types of other versions
};

// Where the section table ends: at most 256 + 64 * 48 bytes.
inline uint64_t TableEnd(uint32_t sections_count) {
  return sizeof(FileEnvelope) + uint64_t{sections_count} * sizeof(format::SectionEntry);
}

// Up to the next multiple of format::kSectionAlignment.
inline uint64_t AlignedEnd(uint64_t end) {
  return (end + format::kSectionAlignment - 1) / format::kSectionAlignment *
         format::kSectionAlignment;
}

// InvalidArgument: "header at offset 40: <what>".
absl::Status HeaderProblem(size_t offset, const std::string& what);

// A name that fits the header and a file system: [A-Za-z0-9_.-], 1 to 63 bytes, not beginning with
// a dot. InvalidArgument says what is wrong.
absl::Status CheckModelName(std::string_view name);

// Puts the name, padded with NUL, into a header's field. `name` passes CheckModelName.
void SetModelName(std::string_view name, std::span<char, 64> field);

// The name in a header's field as SetModelName puts it there. InvalidArgument names the offset.
absl::Status CheckNameField(std::span<const char, 64> field);

// Whether the header and table that `image` begins with are of this kind, of a major version that
// this program reads, whole and undamaged; what file_size says is for the caller to compare, and
// what belongs to the kind for ReadHeader and its like. InvalidArgument: not of this kind.
// Unimplemented: another major version. DataLoss: damaged; names the offset.
absl::Status CheckEnvelope(std::span<const std::byte> image, const FileKind& kind);

// DataLoss when the header of a file of `bytes_count` bytes says another size.
absl::Status CheckFileSize(uint64_t file_size, size_t bytes_count);

// Of the header before its checksum and of the section table. `image` holds at least both.
Checksum HeaderChecksum(std::span<const std::byte> image, uint32_t sections_count);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FILE_ENVELOPE_H_
