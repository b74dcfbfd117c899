#include "model/feature_schema.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/byte_codec.h"
#include "model/numeric_transform.h"

#define XXH_INLINE_ALL  // short inputs hash several times faster inlined
#include <xxhash.h>

namespace fmserve::model {
namespace {

constexpr uint64_t kValueDomain = 0;
constexpr uint64_t kMissingDomain = 1;
constexpr uint64_t kRareDomain = 2;
constexpr uint64_t kNumericDomain = 3;

// The least that a field takes in the binary form.
constexpr size_t kMinFieldBytes = 4 + 6 + 4 + 4 + 8 + 8 + 4;

uint64_t Key(uint64_t field_seed, uint64_t domain, std::string_view bytes) {
  const uint64_t key = XXH3_64bits_withSeed(bytes.data(), bytes.size(), field_seed + domain);
  return key == 0 ? 1 : key;
}

uint64_t IntegerKey(uint64_t field_seed, uint64_t domain, int64_t value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  return Key(field_seed, domain, {bytes, sizeof(bytes)});
}

bool IsList(const Field& field) { return field.kind == FieldKind::kMultiValued; }
bool IsNumeric(const Field& field) { return field.kind == FieldKind::kNumeric; }

// What is wrong with the name, or null.
const char* NameProblem(std::string_view name) {
  if (name.empty()) return "has an empty name";
  if (name.size() > kMaxFieldNameBytes) return "has a name of more than 128 bytes";
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (!absl::c_all_of(name, printable)) return "has a name that is not printable ASCII";
  return nullptr;
}

const char* EnumProblem(const Field& field) {
  if (field.kind > FieldKind::kDenseVector) return "has an unknown kind";
  if (field.value_type > ValueType::kInteger) return "has an unknown value type";
  if (field.combiner > Combiner::kMean) return "has an unknown combiner";
  if (field.side > Side::kItem) return "has an unknown side";
  if (field.transform > Transform::kLogSquare) return "has an unknown transform";
  return nullptr;
}

// A setting that nothing would read is a mistake of whoever wrote it.
const char* UnusedSettingProblem(const Field& field) {
  if (!HasValues(field) && field.value_type != ValueType::kString) {
    return "has a value type, which only categorical and multi-valued fields use";
  }
  if (!IsList(field) && field.combiner != Combiner::kSum) {
    return "has a combiner, which only multi-valued fields use";
  }
  if (!IsList(field) && field.weighted) {
    return "is weighted, which only multi-valued fields can be";
  }
  if (!IsNumeric(field) && field.transform != Transform::kIdentity) {
    return "has a transform, which only numeric fields use";
  }
  if (field.kind != FieldKind::kDenseVector && field.dimension != 0) {
    return "has a dimension, which only dense vectors use";
  }
  if (field.transform != Transform::kBoundaries && !field.boundaries.empty()) {
    return "has boundaries, which only the transform 'boundaries' uses";
  }
  if (field.transform != Transform::kStandardise && (field.mean != 0.0 || field.stddev != 1.0)) {
    return "has a mean or stddev, which only the transform 'standardise' uses";
  }
  if (!HasValues(field) && !MakesBuckets(field.transform) && field.min_count != 1) {
    return "has a minimum count, which only fields with values or buckets use";
  }
  return nullptr;
}

const char* RangeProblem(const Field& field) {
  if (field.min_count == 0) return "has a minimum count of 0; the least is 1";
  if (field.kind == FieldKind::kDenseVector &&
      (field.dimension == 0 || field.dimension > kMaxDimension)) {
    return "has a dimension outside 1 to 4096";
  }
  if (!std::isfinite(field.mean)) return "has a mean that is not finite";
  if (!std::isfinite(field.stddev) || field.stddev <= 0.0) {
    return "has a stddev that is not finite and above 0";
  }
  if (field.transform != Transform::kBoundaries) return nullptr;
  if (field.boundaries.empty() || field.boundaries.size() > kMaxBoundaries) {
    return "has a number of boundaries outside 1 to 4096";
  }
  if (!absl::c_all_of(field.boundaries, [](float b) { return std::isfinite(b); })) {
    return "has a boundary that is not finite";
  }
  if (absl::c_adjacent_find(field.boundaries, [](float a, float b) { return a >= b; }) !=
      field.boundaries.end()) {
    return "has boundaries that do not ascend strictly (as 32-bit floats)";
  }
  return nullptr;
}

absl::Status CheckField(const Field& field) {
  for (const char* problem : {NameProblem(field.name), EnumProblem(field),
                              UnusedSettingProblem(field), RangeProblem(field)}) {
    if (problem != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("field '", absl::CHexEscape(field.name), "' ", problem));
    }
  }
  return absl::OkStatus();
}

// How `newer` differs from `older` for a client, or null.
const char* Difference(const Field& newer, const Field& older) {
  if (newer.name != older.name) return "name";
  if (newer.kind != older.kind) return "kind";
  if (newer.value_type != older.value_type) return "value type";
  if (newer.combiner != older.combiner) return "combiner";
  if (newer.side != older.side) return "side";
  if (newer.transform != older.transform) return "transform";
  if (newer.weighted != older.weighted) return "weightedness";
  if (newer.dimension != older.dimension) return "dimension";
  if (newer.boundaries != older.boundaries) return "boundaries";
  return nullptr;
}

Field ReadField(ByteReader& reader) {
  Field field;
  field.name = reader.ReadString(kMaxFieldNameBytes);
  field.kind = FieldKind{reader.Read<uint8_t>()};
  field.value_type = ValueType{reader.Read<uint8_t>()};
  field.combiner = Combiner{reader.Read<uint8_t>()};
  field.side = Side{reader.Read<uint8_t>()};
  field.transform = Transform{reader.Read<uint8_t>()};
  const auto weighted = reader.Read<uint8_t>();
  if (weighted > 1) reader.Fail("weighted is neither 0 nor 1");
  field.weighted = weighted == 1;
  field.min_count = reader.Read<uint32_t>();
  field.dimension = reader.Read<uint32_t>();
  field.mean = reader.Read<double>();
  field.stddev = reader.Read<double>();
  const uint32_t boundaries_count = reader.ReadCount(kMaxBoundaries, sizeof(float));
  field.boundaries.reserve(boundaries_count);
  for (uint32_t i = 0; i < boundaries_count; ++i) field.boundaries.push_back(reader.Read<float>());
  return field;
}

void WriteField(const Field& field, ByteWriter& writer) {
  writer.WriteString(field.name);
  writer.Write(static_cast<uint8_t>(field.kind));
  writer.Write(static_cast<uint8_t>(field.value_type));
  writer.Write(static_cast<uint8_t>(field.combiner));
  writer.Write(static_cast<uint8_t>(field.side));
  writer.Write(static_cast<uint8_t>(field.transform));
  writer.Write(static_cast<uint8_t>(field.weighted));
  writer.Write(field.min_count);
  writer.Write(field.dimension);
  writer.Write(field.mean);
  writer.Write(field.stddev);
  writer.Write(static_cast<uint32_t>(field.boundaries.size()));
  for (float boundary : field.boundaries) writer.Write(boundary);
}

template <typename Enum, size_t N>
std::string_view NameOf(Enum value, const std::string_view (&names)[N]) {
  const auto index = static_cast<size_t>(value);
  return index < N ? names[index] : "unknown";
}

}  // namespace

std::string_view Name(FieldKind kind) {
  return NameOf(kind, {"categorical", "multi_valued", "numeric", "dense_vector"});
}
std::string_view Name(ValueType type) { return NameOf(type, {"string", "integer"}); }
std::string_view Name(Combiner combiner) { return NameOf(combiner, {"sum", "mean"}); }
std::string_view Name(Side side) { return NameOf(side, {"context", "item"}); }
std::string_view Name(Transform transform) {
  return NameOf(transform, {"identity", "log", "standardise", "boundaries", "log_square"});
}

uint64_t FieldSeed(std::string_view field_name) {
  return XXH3_64bits(field_name.data(), field_name.size());
}
uint64_t ValueKey(uint64_t field_seed, std::string_view value) {
  return Key(field_seed, kValueDomain, value);
}
uint64_t ValueKey(uint64_t field_seed, int64_t value) {
  return IntegerKey(field_seed, kValueDomain, value);
}
uint64_t MissingKey(uint64_t field_seed) { return Key(field_seed, kMissingDomain, ""); }
uint64_t RareKey(uint64_t field_seed) { return Key(field_seed, kRareDomain, ""); }
uint64_t NumericKey(uint64_t field_seed, int64_t bucket) {
  return IntegerKey(field_seed, kNumericDomain, bucket);
}

absl::StatusOr<FeatureSchema> FeatureSchema::Create(std::vector<Field> fields) {
  if (fields.empty() || fields.size() > kMaxFields) {
    return absl::InvalidArgumentError(
        absl::StrCat("a schema has 1 to ", kMaxFields, " fields, this one has ", fields.size()));
  }
  FeatureSchema schema;
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    if (absl::Status status = CheckField(field); !status.ok()) return status;
    if (!schema.index_.emplace(field.name, i).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("field '", field.name, "' has the name of an earlier field"));
    }
    const uint64_t seed = FieldSeed(field.name);
    schema.seeds_.push_back(seed);
    schema.missing_keys_.push_back(MissingKey(seed));
    schema.rare_keys_.push_back(RareKey(seed));
    schema.sides_[static_cast<size_t>(field.side)].Add(i);
  }
  schema.fields_ = std::move(fields);
  return schema;
}

std::string FeatureSchema::Serialize() const {
  ByteWriter writer;
  writer.Write(static_cast<uint32_t>(fields_.size()));
  for (const Field& field : fields_) WriteField(field, writer);
  return std::move(writer).Take();
}

absl::StatusOr<FeatureSchema> FeatureSchema::Parse(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint32_t fields_count = reader.ReadCount(kMaxFields, kMinFieldBytes);
  std::vector<Field> fields;
  for (uint32_t i = 0; i < fields_count && reader.ok(); ++i) fields.push_back(ReadField(reader));
  reader.ExpectEnd();
  if (!reader.ok()) return reader.status();
  return Create(std::move(fields));
}

std::optional<size_t> FeatureSchema::Find(std::string_view name) const {
  const auto found = index_.find(absl::string_view(name.data(), name.size()));
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

absl::Status FeatureSchema::CompatibleWith(const FeatureSchema& older) const {
  for (size_t i = 0; i < older.size(); ++i) {
    const std::string& name = older.field(i).name;
    if (i >= size()) {
      return absl::FailedPreconditionError(absl::StrCat("field ", i, " '", name, "' is gone"));
    }
    if (const char* what = Difference(field(i), older.field(i)); what != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("field ", i, " '", name, "' has another ", what));
    }
  }
  return absl::OkStatus();
}

}  // namespace fmserve::model
