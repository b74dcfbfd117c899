// The layout of a catalogue, twin of CATALOGUE_FORMAT.md (the normative text; a test compares the
// two). What lies around the sections is as in weight_format.h.
#ifndef FMSERVE_MODEL_CATALOGUE_FORMAT_H_
#define FMSERVE_MODEL_CATALOGUE_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace fmserve::model::format {

inline constexpr char kCatalogueMagic[] = "FMSERVEC";
inline constexpr uint16_t kCatalogueMajor = 1;
inline constexpr uint16_t kCatalogueMinor = 0;

inline constexpr uint64_t kMaxItems = uint64_t{1} << 26;
inline constexpr uint32_t kMaxItemFeatures = 65536;
inline constexpr uint32_t kMaxIdBytes = 256;
inline constexpr uint32_t kMaxAttributes = 64;
inline constexpr uint32_t kMaxAttributeNameBytes = 128;
inline constexpr uint32_t kMaxAttributeValues = 1 << 20;
inline constexpr uint32_t kMaxAttributeValueBytes = 1024;

struct CatalogueHeader {
  char magic[8];
  uint16_t format_major;
  uint16_t format_minor;
  uint32_t header_size;
  uint64_t file_size;
  uint64_t version;          // 0 until published
  uint64_t created_unix_us;  // microseconds since 1970-01-01 UTC
  char model_name[64];       // of the model whose items these are; padded with NUL
  uint8_t id_type;
  uint8_t reserved_before[7];  // zero
  uint64_t items_count;
  uint64_t features_count;  // of all items together
  uint32_t attributes_count;
  uint32_t sections_count;
  uint8_t reserved[104];        // zero
  uint8_t header_checksum[16];  // as in FileHeader
};
static_assert(sizeof(CatalogueHeader) == 256);
static_assert(offsetof(CatalogueHeader, header_checksum) == 240);

enum class CatalogueSection : uint32_t {
  kSchema = 1,           // FeatureSchema that the features were made with; required
  kIds = 2,              // required
  kFeatures = 3,         // required
  kAttributes = 4,       // names of attributes and of their values; required
  kAttributeValues = 5,  // which values each item has; required
  kBids = 6,             // optional
  kMetadata = 7,         // optional
};

}  // namespace fmserve::model::format

#endif  // FMSERVE_MODEL_CATALOGUE_FORMAT_H_
