#include "tools/feature_text.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {

std::string FeatureText(const model::WeightFile& file, uint8_t field, uint64_t key) {
  const std::string& field_name = file.schema().field(field).name;
  const uint32_t slot = file.dictionary().Find(key);
  if (slot == model::kNoSlot) {
    if (key == file.schema().missing_key(field)) return absl::StrCat(field_name, "=(missing)");
    return absl::StrCat(field_name, "=0x", absl::Hex(key, absl::kZeroPad16), " (unknown)");
  }
  const model::FieldKind kind = file.schema().field(field).kind;
  const std::optional<model::FeatureName> name = file.name(slot);
  if (name && !name->value.empty()) return absl::StrCat(field_name, "=", std::string(name->value));
  if (kind == model::FieldKind::kNumeric) return field_name;
  return absl::StrCat(field_name, "=0x", absl::Hex(key, absl::kZeroPad16));
}

}  // namespace fmserve::tools
