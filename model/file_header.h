// The header of a weight file: checks that its reader and its writer share. Internal to model/.
#ifndef FMSERVE_MODEL_FILE_HEADER_H_
#define FMSERVE_MODEL_FILE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/file_envelope.h"
#include "model/weight_format.h"

namespace fmserve::model {

// "schema", "rows" ..., "unknown" for types of other versions.
const char* SectionName(uint32_t type);

inline constexpr FileKind kWeightFileKind = {.name = "weight file",
                                             .magic = format::kMagic,
                                             .format_major = format::kMajor,
                                             .format_minor = format::kMinor,
                                             .section_name = SectionName};

// The fields that describe the model, each by itself and against the others. InvalidArgument names
// the offset.
absl::Status CheckHeaderFields(const format::FileHeader& header);

// The header of the weight file that `image` begins with, checked with the section table's
// checksum; what file_size says is for the caller to compare. Errors as in CheckEnvelope.
absl::StatusOr<format::FileHeader> ReadHeader(std::span<const std::byte> image);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FILE_HEADER_H_
