// The header of a weight file: checks that its reader and its writer share. Internal to model/.
#ifndef FMSERVE_MODEL_FILE_HEADER_H_
#define FMSERVE_MODEL_FILE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checksum.h"
#include "model/weight_format.h"

namespace fmserve::model {

// "schema", "rows" …, "unknown" for types of other versions.
const char* SectionName(uint32_t type);

// Where the section table ends: at most 256 + 64 * 48 bytes.
inline uint64_t TableEnd(const format::FileHeader& header) {
  return sizeof(format::FileHeader) +
         uint64_t{header.sections_count} * sizeof(format::SectionEntry);
}

// Up to the next multiple of format::kSectionAlignment.
inline uint64_t AlignedEnd(uint64_t end) {
  return (end + format::kSectionAlignment - 1) / format::kSectionAlignment *
         format::kSectionAlignment;
}

// A name that fits the header and a file system: [A-Za-z0-9_.-], 1 to 63 bytes, not beginning with
// a dot. InvalidArgument says what is wrong.
absl::Status CheckModelName(std::string_view name);

// Puts the name, padded with NUL, into the header. `name` passes CheckModelName.
void SetModelName(std::string_view name, format::FileHeader& header);

// The fields that describe the model, each by itself and against the others. InvalidArgument names
// the offset.
absl::Status CheckHeaderFields(const format::FileHeader& header);

// The header of the file that `image` begins with, checked with the section table's checksum; what
// file_size says is for the caller to compare. `image` holds at least header and table.
// InvalidArgument: not a weight file. Unimplemented: a newer format. DataLoss: damaged; names the
// offset.
absl::StatusOr<format::FileHeader> ReadHeader(std::span<const std::byte> image);

// Of the header before its checksum and of the section table. `image` holds at least both.
Checksum HeaderChecksum(std::span<const std::byte> image, const format::FileHeader& header);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FILE_HEADER_H_
