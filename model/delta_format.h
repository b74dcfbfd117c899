// The layout of a weight delta, twin of DELTA_FORMAT.md (the normative text; a test compares the
// two).
#ifndef FMSERVE_MODEL_DELTA_FORMAT_H_
#define FMSERVE_MODEL_DELTA_FORMAT_H_

#include <cstddef>
#include <cstdint>

#include "model/file_envelope.h"

namespace fmserve::model::format {

inline constexpr char kDeltaMagic[] = "FMSERVED";
inline constexpr uint16_t kDeltaMajor = 1;
inline constexpr uint16_t kDeltaMinor = 0;
inline constexpr int kMaxWindowLog = 23;  // of a Zstandard frame
inline constexpr size_t kSha256Bytes = 32;

struct DeltaHeader {
  char magic[8];
  uint16_t format_major;
  uint16_t format_minor;
  uint32_t header_size;
  uint64_t file_size;
  uint64_t version;
  uint64_t created_unix_us;
  char model_name[64];
  uint8_t reserved[28];
  uint32_t sections_count;
  uint64_t base_size;
  uint64_t result_size;
  uint8_t base_sha256[kSha256Bytes];
  uint8_t result_sha256[kSha256Bytes];
  uint8_t reserved_too[24];
  uint8_t header_checksum[16];
};
static_assert(kHasEnvelope<DeltaHeader>);

enum class DeltaSection : uint32_t {
  kImage = 1,
  kWhole = 2,
  kRemoved = 3,
  kRowSlots = 4,
  kRows = 5,
  kCountSlots = 6,
  kCounts = 7,
  kNameSlots = 8,
  kNameSizes = 9,
  kNames = 10,
};

// Where a section of the result comes from.
enum class DeltaSource : uint8_t { kBase = 0, kWhole = 1, kByKey = 2 };

}  // namespace fmserve::model::format

#endif  // FMSERVE_MODEL_DELTA_FORMAT_H_
