// The section table of a file: from untrusted bytes to bounded, checked sections. Internal
// to model/.
#ifndef FMSERVE_MODEL_SECTION_TABLE_H_
#define FMSERVE_MODEL_SECTION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/file_envelope.h"

namespace fmserve::model {

// Part of a file.
struct Section {
  uint32_t type = 0;
  const char* name = "unknown";  // of the type
  bool required = false;
  uint64_t offset = 0;
  std::span<const std::byte> bytes;

  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // DataLoss: "section rows at offset 4096: <what>"; the offset is that of byte `position` of the
  // section.
  absl::Status Damaged(uint64_t position, const std::string& what) const;
};

// The sections of `file`, whose header and table have passed CheckEnvelope: in the order of the
// file, without overlaps or gaps but zero padding, checksums right, no known type twice. Sections
// of unknown types are in the list when they are optional. DataLoss names section and offset;
// Unimplemented: an unknown section is required; errors of
// `checkpoint`.
absl::StatusOr<std::vector<Section>> ReadSections(std::span<const std::byte> file,
                                                  const FileKind& kind, Checkpoint checkpoint);

// The section of that type, or null.
const Section* FindSection(std::span<const Section> sections, uint32_t type);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_SECTION_TABLE_H_
