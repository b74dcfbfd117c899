// The attribute sections of a catalogue, from untrusted bytes, and the checks of arrays of ends.
// Internal to model/.
#ifndef FMSERVE_MODEL_ATTRIBUTE_TABLE_H_
#define FMSERVE_MODEL_ATTRIBUTE_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"

namespace fmserve::model {

// One attribute of the attributes section.
struct AttributeNames {
  std::string_view name;
  uint32_t entries_count = 0;
  std::vector<std::string_view> values;
};

// 1 to format::kMaxAttributeNameBytes printable ASCII characters, or InvalidArgument.
absl::Status CheckAttributeName(std::string_view name);

// 1 to format::kMaxAttributeValueBytes bytes of UTF-8, or InvalidArgument.
absl::Status CheckAttributeValue(std::string_view value);

// The attributes section; views into `bytes`. DataLoss or InvalidArgument names the attribute.
absl::StatusOr<std::vector<AttributeNames>> ParseAttributeNames(std::string_view bytes,
                                                                uint32_t attributes_count);

// That ends do not descend, belong to at most `max_per_item` elements each, and end at `total`.
absl::Status CheckEnds(std::span<const uint64_t> ends, uint64_t total, uint64_t max_per_item,
                       Checkpoint checkpoint);
absl::Status CheckEnds(std::span<const uint32_t> ends, uint64_t total, uint64_t max_per_item,
                       Checkpoint checkpoint);

// The arrays of one attribute. DataLoss names attribute and item.
absl::Status CheckAttribute(const Attribute& attribute, Checkpoint checkpoint);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_ATTRIBUTE_TABLE_H_
