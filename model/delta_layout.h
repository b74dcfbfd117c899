// What writer and reader of a delta share. Internal to model/.
#ifndef FMSERVE_MODEL_DELTA_LAYOUT_H_
#define FMSERVE_MODEL_DELTA_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "model/delta_format.h"
#include "model/delta_origins.h"
#include "model/file_envelope.h"
#include "model/weight_file.h"
#include "model/weight_format.h"

namespace fmserve::model {

// "image", "rows" ..., "unknown" for types of other versions.
const char* DeltaSectionName(uint32_t type);

inline constexpr FileKind kDeltaKind = {.name = "weight delta",
                                        .magic = format::kDeltaMagic,
                                        .format_major = format::kDeltaMajor,
                                        .format_minor = format::kDeltaMinor,
                                        .section_name = DeltaSectionName};

// The section of that type, or null.
inline const SectionInfo* FindSectionOf(const WeightFile& file, format::SectionType type) {
  for (const SectionInfo& section : file.sections()) {
    if (section.type == static_cast<uint32_t>(type)) return &section;
  }
  return nullptr;
}

// The count of training rows of a slot, 0 for kNoSlot and in a file without counts.
inline uint32_t CountAt(const WeightFile& file, uint32_t slot) {
  return slot == kNoSlot || !file.counts() ? 0 : file.counts()->of_slots[slot];
}

inline void XorInto(std::span<std::byte> bytes, const std::byte* other) {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] ^= other[i];
}

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_DELTA_LAYOUT_H_
