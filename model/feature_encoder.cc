#include "model/feature_encoder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/numeric_transform.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

constexpr char kListSeparator = '|';
constexpr char kWeightSeparator = ':';
constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53: beyond it doubles skip integers

absl::Status FieldError(const Field& field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("field '", field.name, "': ", what));
}

// Why a value was refused.
absl::Status ValueError(const Field& field, float weight) {
  if (field.weighted ? !std::isfinite(weight) : weight != 1.0F) {
    return FieldError(
        field,
        absl::StrCat("weight ", weight,
                     field.weighted ? " is not finite"
                                    : " where only 1 is allowed: the field is not weighted"));
  }
  if (field.kind == FieldKind::kCategorical) {
    return FieldError(field, "more than one value of a categorical field in one list");
  }
  return FieldError(field, absl::StrCat("more than ", kMaxListValues, " values in one list"));
}

}  // namespace

void FeatureEncoder::Begin(Side side) {
  if (open_) out_->Truncate(begin_);
  side_ = side;
  open_ = true;
  begin_ = out_->size();
  has_mean_ = false;
  open_vectors_ = 0;
  seen_ = FieldSet();
}

// Why a field was refused that is not of this side.
absl::Status FeatureEncoder::SideError(size_t field) const {
  if (field >= schema_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("field index ", field, " is not below ",
                                                   schema_.size(), ", the number of fields"));
  }
  const Field& f = schema_.field(field);
  return FieldError(f, absl::StrCat("belongs to the ", std::string(Name(f.side)), ", not to the ",
                                    std::string(Name(side_)), " side"));
}

// The features that the field has in this list, the new one included.
inline uint32_t FeatureEncoder::CountUp(size_t field) {
  if (!seen_.Contains(field)) {
    seen_.Add(field);
    counts_[field] = 0;
    weight_sums_[field] = 0.0;
  }
  return ++counts_[field];
}

// Runs for every packed feature of a request: the errors are made elsewhere.
inline absl::Status FeatureEncoder::AddValue(size_t field, uint64_t key, float weight) {
  const Field& f = schema_.field(field);
  const bool weight_allowed = f.weighted ? std::isfinite(weight) : weight == 1.0F;
  const uint32_t limit = f.kind == FieldKind::kCategorical ? 1 : kMaxListValues;
  if (CountUp(field) > limit || !weight_allowed) [[unlikely]] {
    return ValueError(f, weight);
  }
  if (f.combiner == Combiner::kMean) {
    weight_sums_[field] += weight;
    has_mean_ = true;
  }
  out_->Add(key, weight, static_cast<uint8_t>(field));
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddString(size_t field, std::string_view value, float weight) {
  if (!Belongs(field)) return SideError(field);
  const Field& f = schema_.field(field);
  if (value.size() > kMaxValueBytes) {
    return FieldError(f, absl::StrCat("value ", Quote(value), " has ", value.size(),
                                      " bytes, at most ", kMaxValueBytes, " are allowed"));
  }
  if (!HasValues(f)) {
    if (f.kind == FieldKind::kNumeric && weight == 1.0F) return AddText(field, value);
    return FieldError(f, absl::StrCat("a ", std::string(Name(f.kind)), " field takes no ",
                                      f.kind == FieldKind::kNumeric ? "weight" : "single value"));
  }
  if (value.empty()) return absl::OkStatus();
  if (f.value_type == ValueType::kString) {
    return AddValue(field, ValueKey(schema_.seed(field), value), weight);
  }
  const std::optional<int64_t> integer = ParseInteger(value);
  if (!integer.has_value()) {
    return FieldError(f, Quote(value) +
                             " is not a decimal int64 such as 42 or -7; if not all values are "
                             "integers, declare the field's value type as string");
  }
  return AddValue(field, ValueKey(schema_.seed(field), *integer), weight);
}

absl::Status FeatureEncoder::AddInteger(size_t field, int64_t value, float weight) {
  if (!Belongs(field)) return SideError(field);
  const Field& f = schema_.field(field);
  if (HasValues(f) && f.value_type == ValueType::kInteger) {
    return AddValue(field, ValueKey(schema_.seed(field), value), weight);
  }
  char text[std::numeric_limits<int64_t>::digits10 + 3];
  const char* end = std::to_chars(text, text + sizeof(text), value).ptr;
  return AddString(field, {text, static_cast<size_t>(end - text)}, weight);
}

absl::Status FeatureEncoder::AddNumber(size_t field, double value) {
  if (!Belongs(field)) return SideError(field);
  const Field& f = schema_.field(field);
  if (HasValues(f)) {
    if (std::abs(value) <= kMaxExactInteger && value == std::floor(value)) {
      return AddInteger(field, static_cast<int64_t>(value));
    }
    return FieldError(f, absl::StrCat("number ", value, " given to a ", std::string(Name(f.kind)),
                                      " field is not an integer of at most 2^53"));
  }
  if (f.kind != FieldKind::kNumeric) {
    return FieldError(
        f, absl::StrCat("a ", std::string(Name(f.kind)), " field takes no single number"));
  }
  if (std::isnan(value)) return absl::OkStatus();
  const auto raw = static_cast<float>(value);
  if (!std::isfinite(raw)) {
    return FieldError(f, absl::StrCat("number ", value, " is not in the range of a 32-bit float"));
  }
  const NumericFeature feature = TransformNumber(f, raw);
  if (!std::isfinite(feature.x)) {
    return FieldError(f, absl::StrCat("number ", value, " overflows when it is transformed"));
  }
  if (CountUp(field) > 1) return FieldError(f, "more than one number in one list");
  out_->Add(NumericKey(schema_.seed(field), feature.bucket), feature.x,
            static_cast<uint8_t>(field));
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddDimension(size_t field, uint64_t dimension, float value) {
  const Field& f = schema_.field(field);
  const uint32_t count = CountUp(field);
  if (dimension != count - 1 || dimension >= f.dimension) {
    return FieldError(f, absl::StrCat("dimension ", dimension, " where ", count - 1, " of 0 to ",
                                      f.dimension - 1, " was next"));
  }
  if (!std::isfinite(value)) {
    return FieldError(f, absl::StrCat("dimension ", dimension, " is ", value, ", not finite"));
  }
  if (count == 1) ++open_vectors_;
  if (count == f.dimension) --open_vectors_;
  out_->Add(NumericKey(schema_.seed(field), static_cast<int64_t>(dimension)), value,
            static_cast<uint8_t>(field));
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddVector(size_t field, std::span<const float> values) {
  if (!Belongs(field)) return SideError(field);
  const Field& f = schema_.field(field);
  if (f.kind != FieldKind::kDenseVector || values.size() != f.dimension) {
    return FieldError(f,
                      absl::StrCat("a vector of ", values.size(), " numbers given to a ",
                                   std::string(Name(f.kind)), " field of dimension ", f.dimension));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (absl::Status status = AddDimension(field, i, values[i]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddKey(size_t field, uint64_t key, float value) {
  if (!Belongs(field)) return SideError(field);
  switch (schema_.field(field).kind) {
    case FieldKind::kNumeric:
      return AddNumber(field, value);
    case FieldKind::kDenseVector:
      return AddDimension(field, key, value);
    case FieldKind::kCategorical:
    case FieldKind::kMultiValued:
      break;
  }
  if (key == 0) return FieldError(schema_.field(field), "key 0 is not the hash of any value");
  return AddValue(field, key, value);
}

// Whether a list of these fields can be copied as it is when its keys and weights allow it.
bool FeatureEncoder::SetPlainFields(std::span<const uint8_t> fields) {
  if (fields.size() > kMaxListValues) return false;
  FieldSet seen;
  for (const uint8_t field : fields) {
    if (!Belongs(field)) return false;
    const Field& f = schema_.field(field);
    const bool plain = f.kind == FieldKind::kCategorical
                           ? !seen.Contains(field)
                           : f.kind == FieldKind::kMultiValued && f.combiner == Combiner::kSum;
    if (!plain) return false;
    seen.Add(field);
  }
  plain_side_ = side_;
  plain_fields_ = fields;
  plain_seen_ = seen;
  return true;
}

// False, and nothing is added, when the list has to be looked at feature by feature.
bool FeatureEncoder::AppendPlain(const PackedList& list) {
  const bool same = side_ == plain_side_ && std::ranges::equal(list.fields, plain_fields_);
  if (!same && !SetPlainFields(list.fields)) return false;
  if (std::ranges::find(list.keys, uint64_t{0}) != list.keys.end()) return false;
  for (const float value : list.values) {
    if (value != 1.0F) return false;
  }
  out_->Add(list.keys, 1.0F, list.fields);
  seen_ = plain_seen_;
  return true;
}

absl::Status FeatureEncoder::AddPacked(Side side, const PackedList& list, size_t* refused) {
  Begin(side);
  if (AppendPlain(list)) return End();
  for (size_t i = 0; i < list.keys.size(); ++i) {
    const float value = list.values.empty() ? 1.0F : list.values[i];
    if (absl::Status status = AddKey(list.fields[i], list.keys[i], value); !status.ok()) {
      *refused = i;
      return status;
    }
  }
  return End();
}

absl::Status FeatureEncoder::AddListValue(size_t field, std::string_view text) {
  const Field& f = schema_.field(field);
  const size_t colon = f.weighted ? text.rfind(kWeightSeparator) : std::string_view::npos;
  if (colon == std::string_view::npos) return AddString(field, text);
  const std::optional<double> weight = ParseNumber(text.substr(colon + 1));
  if (!weight.has_value()) {
    return FieldError(f, absl::StrCat("value ", Quote(text), " has no number after its last ':'"));
  }
  return AddString(field, text.substr(0, colon), static_cast<float>(*weight));
}

absl::Status FeatureEncoder::AddList(size_t field, std::string_view cell) {
  const Field& f = schema_.field(field);
  for (uint64_t i = 0; !cell.empty(); ++i) {
    const std::string_view text = TakeUntil(kListSeparator, cell);
    if (f.kind == FieldKind::kMultiValued) {
      if (absl::Status status = AddListValue(field, text); !status.ok()) return status;
      continue;
    }
    const std::optional<double> number = ParseNumber(text);
    if (!number.has_value()) {
      return FieldError(f, absl::StrCat("dimension ", i, " is ", Quote(text), ", not a number"));
    }
    absl::Status status = AddDimension(field, i, static_cast<float>(*number));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddText(size_t field, std::string_view cell) {
  if (!Belongs(field)) return SideError(field);
  if (cell.empty()) return absl::OkStatus();
  const Field& f = schema_.field(field);
  if (f.kind == FieldKind::kCategorical) return AddString(field, cell);
  if (f.kind != FieldKind::kNumeric) return AddList(field, cell);
  const std::optional<double> number = ParseNumber(cell);
  if (!number.has_value()) return FieldError(f, absl::StrCat(Quote(cell), " is not a number"));
  return AddNumber(field, *number);
}

absl::Status FeatureEncoder::CheckVectors() const {
  for (size_t i = 0; i < schema_.size(); ++i) {
    const Field& f = schema_.field(i);
    if (f.kind == FieldKind::kDenseVector && seen_.Contains(i) && counts_[i] != f.dimension) {
      return FieldError(f, absl::StrCat("has ", counts_[i], " of ", f.dimension, " dimensions"));
    }
  }
  return absl::OkStatus();
}

absl::Status FeatureEncoder::DivideMeans() {
  for (size_t i = begin_; i < out_->size(); ++i) {
    const size_t field = out_->fields[i];
    const Field& f = schema_.field(field);
    if (f.combiner != Combiner::kMean) continue;
    const auto x = static_cast<float>(out_->xs[i] / weight_sums_[field]);
    if (!std::isfinite(x)) {
      return FieldError(f, absl::StrCat("the mean of weights that sum to ", weight_sums_[field],
                                        " is undefined or too large"));
    }
    out_->xs[i] = x;
  }
  return absl::OkStatus();
}

absl::Status FeatureEncoder::End() {
  if (open_vectors_ > 0) {
    if (absl::Status status = CheckVectors(); !status.ok()) return status;
  }
  if (has_mean_) {
    if (absl::Status status = DivideMeans(); !status.ok()) return status;
  }
  schema_.fields_of(side_).ForEachNotIn(seen_, [this](size_t field) {
    out_->Add(schema_.missing_key(field), 1.0F, static_cast<uint8_t>(field));
  });
  open_ = false;
  return absl::OkStatus();
}

absl::Status FeatureEncoder::AddRow(Side side, std::span<const std::string_view> cells) {
  if (cells.size() != schema_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a row of ", cells.size(), " cells for ", schema_.size(), " fields"));
  }
  Begin(side);
  for (size_t i = 0; i < cells.size(); ++i) {
    if (schema_.field(i).side != side) continue;
    if (absl::Status status = AddText(i, cells[i]); !status.ok()) return status;
  }
  return End();
}

}  // namespace fmserve::model
