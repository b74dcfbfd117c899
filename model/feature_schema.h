// The fields of a model and what becomes of their raw values. The same code runs in the trainer and
// in the server, and the schema travels inside the weight file, so that both always agree.
//
// Key of a feature (docs/clients.md shows it in several languages), never 0 (0 becomes 1):
//   XXH3_64bits_withSeed(bytes, XXH3_64bits(field name) + domain)      the sum wraps
//   domain 0  a value: the bytes of the string, or the 8 little-endian bytes of the int64
//   domain 1  the field is missing: no bytes
//   domain 2  a rare or unknown value of the field: no bytes
//   domain 3  a numeric field: 8 little-endian bytes of 0, of the bucket number, or of the
//             dimension (dense vector)
#ifndef FMSERVE_MODEL_FEATURE_SCHEMA_H_
#define FMSERVE_MODEL_FEATURE_SCHEMA_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/types.h"

namespace fmserve::model {

// Numbers below are those of the file format.
enum class FieldKind : uint8_t {
  kCategorical = 0,
  kMultiValued = 1,
  kNumeric = 2,
  kDenseVector = 3
};
enum class ValueType : uint8_t { kString = 0, kInteger = 1 };  // categorical and multi-valued
enum class Combiner : uint8_t { kSum = 0, kMean = 1 };         // multi-valued
enum class Side : uint8_t { kContext = 0, kItem = 1 };
enum class Transform : uint8_t {  // numeric; raw is a 32-bit float
  kIdentity = 0,                  // x = raw
  kLog = 1,                       // x = sign(raw) * ln(1 + |raw|)
  kStandardise = 2,               // x = (raw - mean) / stddev
  kBoundaries = 3,                // bucket = number of boundaries <= raw; x = 1
  kLogSquare = 4,  // bucket = floor(ln(raw)^2) if raw > 2, else floor(raw) - 3, but at
                   // least -1000; x = 1 (Juan et al., winners of Criteo 2014)
};

// Names as schemas and messages spell them: "multi_valued", "integer", "mean", "item" …
std::string_view Name(FieldKind kind);
std::string_view Name(ValueType type);
std::string_view Name(Combiner combiner);
std::string_view Name(Side side);
std::string_view Name(Transform transform);

struct Field {
  std::string name = {};  // 1 to kMaxFieldNameBytes printable ASCII characters
  FieldKind kind = FieldKind::kCategorical;
  ValueType value_type = ValueType::kString;
  Combiner combiner = Combiner::kSum;
  Side side = Side::kContext;
  Transform transform = Transform::kIdentity;
  bool weighted = false;   // multi-valued: values have weights ("a:2.5|b"); otherwise all weigh 1
  uint32_t min_count = 1;  // values seen in fewer training rows share the rare row; 1: none does
  uint32_t dimension = 0;  // dense vector
  double mean = 0.0;       // standardise
  double stddev = 1.0;     // standardise; > 0
  std::vector<float> boundaries = {};  // boundaries: at least one, strictly ascending, finite

  bool operator==(const Field&) const = default;
};

// Whether the field has values, strings or integers, of which each may have a row of its own.
inline bool HasValues(const Field& field) {
  return field.kind == FieldKind::kCategorical || field.kind == FieldKind::kMultiValued;
}

inline constexpr uint32_t kMaxDimension = 4096;
inline constexpr uint32_t kMaxBoundaries = 4096;
inline constexpr uint32_t kMaxFieldNameBytes = 128;
inline constexpr uint32_t kMaxListValues = 4096;  // values of one multi-valued field in one list
inline constexpr uint32_t kMaxValueBytes = 1024;

uint64_t FieldSeed(std::string_view field_name);
uint64_t ValueKey(uint64_t field_seed, std::string_view value);
uint64_t ValueKey(uint64_t field_seed, int64_t value);
uint64_t MissingKey(uint64_t field_seed);
uint64_t RareKey(uint64_t field_seed);
uint64_t NumericKey(uint64_t field_seed, int64_t bucket);

// A set of field indices below kMaxFields.
class FieldSet {
 public:
  void Add(size_t field) { words_[field / 64] |= uint64_t{1} << (field % 64); }
  bool Contains(size_t field) const { return (words_[field / 64] >> (field % 64) & 1) != 0; }

  // Calls visit(size_t field) for each element that `other` lacks, in ascending order.
  template <typename Visit>
  void ForEachNotIn(const FieldSet& other, Visit visit) const {
    for (size_t word = 0; word < words_.size(); ++word) {
      for (uint64_t rest = words_[word] & ~other.words_[word]; rest != 0; rest &= rest - 1) {
        visit(word * 64 + static_cast<size_t>(std::countr_zero(rest)));
      }
    }
  }

 private:
  std::array<uint64_t, kMaxFields / 64> words_ = {};
};

// Immutable after Create; safe from any thread.
class FeatureSchema {
 public:
  FeatureSchema() = default;

  // InvalidArgument names the field and what is wrong with it: no field or too many, duplicate,
  // empty or over-long names, values out of range, settings that the kind does not use. min_count
  // is used by categorical, multi-valued and bucketised numeric fields.
  static absl::StatusOr<FeatureSchema> Create(std::vector<Field> fields);

  // The binary form of the schema section (WEIGHT_FORMAT.md), little-endian without padding:
  //   u32 fields_count, then per field
  //   u32 name_bytes, name, u8 kind, u8 value_type, u8 combiner, u8 side, u8 transform,
  //   u8 weighted, u32 min_count, u32 dimension, f64 mean, f64 stddev,
  //   u32 boundaries_count, f32 boundaries[]
  std::string Serialize() const;

  // Trusts nothing. DataLoss names the byte that is not of that form; InvalidArgument as in Create.
  static absl::StatusOr<FeatureSchema> Parse(std::string_view bytes);

  size_t size() const { return fields_.size(); }
  const Field& field(size_t index) const { return fields_[index]; }
  const std::vector<Field>& fields() const { return fields_; }
  uint64_t seed(size_t index) const { return seeds_[index]; }
  uint64_t missing_key(size_t index) const { return missing_keys_[index]; }
  uint64_t rare_key(size_t index) const { return rare_keys_[index]; }
  const FieldSet& fields_of(Side side) const { return sides_[static_cast<size_t>(side)]; }

  // Index of the field, or nothing.
  std::optional<size_t> Find(std::string_view name) const;

  // Whether requests made for `older` mean the same here: every field of `older` stands at the same
  // index with the same name, kind, value type, combiner, side, weightedness, dimension, transform
  // and boundaries. mean, stddev and min_count may differ, which clients do not see, and fields may
  // have been added at the end. FailedPrecondition names the first field that differs, and how.
  absl::Status CompatibleWith(const FeatureSchema& older) const;

 private:
  std::vector<Field> fields_;
  std::vector<uint64_t> seeds_;
  std::vector<uint64_t> missing_keys_;
  std::vector<uint64_t> rare_keys_;
  std::array<FieldSet, 2> sides_;
  absl::flat_hash_map<std::string, size_t> index_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FEATURE_SCHEMA_H_
