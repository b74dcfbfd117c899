// The layout of a weight file, twin of WEIGHT_FORMAT.md (the normative text; a test compares the
// two).
//
//   FileHeader | SectionEntry[sections_count] | zero padding | section | zero padding | section …
//
// Little-endian throughout. Every section starts at a multiple of kSectionAlignment.
#ifndef FMSERVE_MODEL_WEIGHT_FORMAT_H_
#define FMSERVE_MODEL_WEIGHT_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace fmserve::model::format {

static_assert(std::endian::native == std::endian::little, "weight files are mapped as they lie");

inline constexpr char kMagic[] = "FMSERVEW";
inline constexpr uint16_t kMajor = 1;
inline constexpr uint16_t kMinor = 0;
inline constexpr uint64_t kSectionAlignment = 64;
inline constexpr uint32_t kMaxSections = 64;
inline constexpr uint64_t kMaxSlots =
    0xffffffff;  // a slot number has 32 bits, and 0xffffffff means none

// The dictionary (dictionary.h): odd constants of its multiplications.
inline constexpr uint64_t kPilotFactor = 0x9e3779b97f4a7c15;
inline constexpr uint64_t kSlotFactor = 0xd6e8feb86659fd93;

struct FileHeader {
  char magic[8];
  uint16_t format_major;
  uint16_t format_minor;
  uint32_t header_size;  // of this struct; the section table follows it
  uint64_t file_size;
  uint64_t version;          // 0 until published
  uint64_t created_unix_us;  // microseconds since 1970-01-01 UTC
  char model_name[64];       // UTF-8, padded with NUL, at least one NUL
  uint8_t task;
  uint8_t quantization;
  uint8_t link;
  uint8_t calibration_kind;
  uint32_t k;
  uint64_t rows_count;   // features with a row
  uint64_t slots_count;  // places for rows in the rows section, a few of them empty
  uint32_t row_stride_bytes;
  uint32_t sections_count;
  uint64_t dictionary_seed;
  double w0;
  double calibration_scale;
  double calibration_offset;
  uint8_t reserved[72];         // zero
  uint8_t header_checksum[16];  // XXH3-128 of the header before this field and the section table
};
static_assert(sizeof(FileHeader) == 256);
static_assert(offsetof(FileHeader, header_checksum) == 240);

enum class SectionType : uint32_t {
  kSchema = 1,       // FeatureSchema; required
  kDictionary = 2,   // uint16 pilots of the minimal perfect hash; required
  kRows = 3,         // slots_count rows of row_stride_bytes; required
  kGoldens = 4,      // example requests with scores; optional
  kMetadata = 5,     // how the file was made; optional
  kNames = 6,        // (field, value) of each slot, for people; optional
  kCounts = 7,       // training rows of each slot, for averaging and pruning; optional
  kFieldMatrix = 8,  // FieldMatrix, which makes a model field-weighted; required
};

inline constexpr uint32_t kSectionRequired =
    1;  // flag: a reader that does not know the type refuses the file

struct SectionEntry {
  uint32_t type;
  uint32_t flags;
  uint64_t offset;
  uint64_t size;         // without padding
  uint64_t reserved;     // zero
  uint8_t checksum[16];  // XXH3-128 of the section's bytes, canonical (big-endian) form
};
static_assert(sizeof(SectionEntry) == 48);

// A row: this prefix, then v[k] as float, IEEE half or int8, then zeros up to the stride.
// v starts 16 bytes into the row, so that k=16 f16 and k=32 int8 fit one cache line.
struct RowPrefix {
  uint64_t key;  // kEmptyKey marks an empty slot
  float w;
  float scale;  // int8: v[f] = scale * stored[f]; otherwise 1
};
static_assert(sizeof(RowPrefix) == 16);

inline constexpr uint64_t kEmptyKey = 0;  // no feature hashes to it (feature_schema.h)

}  // namespace fmserve::model::format

#endif  // FMSERVE_MODEL_WEIGHT_FORMAT_H_
