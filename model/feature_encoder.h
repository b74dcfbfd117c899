// Raw values -> features: what a client sends, or a row of a table holds, becomes keys and weights.
//
//   encoder.Begin(Side::kContext);
//   encoder.AddString(…);  …  AddText, AddInteger, AddNumber, AddVector, AddKey
//   encoder.End();
//
// The features of one list come out in the order in which they were added; fields of the side that
// were not added, or only with an empty value, are missing, and End() appends their missing feature
// (missing key, x = 1) in schema order. Each list is a context or one candidate.
#ifndef FMSERVE_MODEL_FEATURE_ENCODER_H_
#define FMSERVE_MODEL_FEATURE_ENCODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "model/feature_list.h"
#include "model/feature_schema.h"

namespace fmserve::model {

// A list in the packed form: columns of equal length, of which `values` may be empty (all 1).
struct PackedList {
  std::span<const uint8_t> fields;
  std::span<const uint64_t> keys;
  std::span<const float> values;
};

// One thread. Does not allocate once `out` is large enough, except for the messages of errors.
// Every error is InvalidArgument and names the field and the value; after an error the list is to
// be given up, and the next Begin() removes what it left in `out`. A field of the other side is an
// error. Every x that comes out is finite.
class FeatureEncoder {
 public:
  // Both must outlive the encoder. Lists are appended to `out`; the caller clears it.
  FeatureEncoder(const FeatureSchema& schema, FeatureList* out) : schema_(schema), out_(out) {}

  void Begin(Side side);

  // A cell of a table, by the kind of the field; "" is missing.
  //   categorical    the whole cell is the value
  //   multi-valued   values separated by '|', empty ones are skipped; in a weighted field a weight
  //                  follows the last ':' of a value ("a|b:2.5"), without one it is 1
  //   numeric        a number
  //   dense vector   `dimension` numbers separated by '|'
  absl::Status AddText(size_t field, std::string_view cell);

  // One value of a categorical (at most one per list) or multi-valued field (at most
  // kMaxListValues). A string given to an integer field must be a decimal int64 ("042" is 42); an
  // integer given to a string field is its decimal text. A numeric field takes both as AddNumber
  // would. "" is missing. Only weighted fields take weights other than 1; weights are finite.
  absl::Status AddString(size_t field, std::string_view value, float weight = 1.0F);
  absl::Status AddInteger(size_t field, int64_t value, float weight = 1.0F);

  // The value of a numeric field (at most one per list), rounded to a 32-bit float. NaN is missing,
  // infinities are errors. An integral number of at most 2^53 given to a categorical or
  // multi-valued field counts as AddInteger.
  absl::Status AddNumber(size_t field, double value);

  // All dimensions of a dense vector. values.size() == dimension.
  absl::Status AddVector(size_t field, std::span<const float> values);

  // The packed form: the client hashed the value itself. Categorical and multi-valued: `key` as
  // docs/clients.md says, never 0, and `value` the weight. Numeric: `key` is ignored, `value` is
  // the raw number. Dense vector: `key` is the dimension, all of them in ascending order. Gives the
  // same features as the calls above, to the bit.
  absl::Status AddKey(size_t field, uint64_t key, float value);

  // Closes the list: mean combiners divide by the sum of the weights, which must not be 0; missing
  // fields are added.
  absl::Status End();

  // One whole list in the packed form: Begin, AddKey of each, End. When a key is refused, `refused`
  // says which. Lists that name the same fields in the same order, as candidates mostly do, are
  // copied at once; for that `list.fields` must stay as it is until the next list or the end of the
  // encoder.
  absl::Status AddPacked(Side side, const PackedList& list, size_t* refused);

  // One whole list from a row of a table: Begin, AddText of each cell whose field is of that side,
  // End. cells[i] belongs to field i of the schema, of either side; cells.size() == schema.size().
  absl::Status AddRow(Side side, std::span<const std::string_view> cells);

 private:
  bool Belongs(size_t field) const {
    return field < kMaxFields && schema_.fields_of(side_).Contains(field);
  }
  absl::Status SideError(size_t field) const;
  absl::Status AddValue(size_t field, uint64_t key, float weight);
  absl::Status AddDimension(size_t field, uint64_t dimension, float value);
  absl::Status AddList(size_t field, std::string_view cell);
  absl::Status AddListValue(size_t field, std::string_view text);
  absl::Status CheckVectors() const;
  absl::Status DivideMeans();
  uint32_t CountUp(size_t field);
  bool AppendPlain(const PackedList& list);
  bool SetPlainFields(std::span<const uint8_t> fields);

  const FeatureSchema& schema_;
  FeatureList* out_;
  Side side_ = Side::kContext;
  bool open_ = false;          // between Begin and a successful End
  size_t begin_ = 0;           // of this list in out_
  bool has_mean_ = false;      // a field with a mean combiner was seen
  uint32_t open_vectors_ = 0;  // dense vectors begun and not complete
  FieldSet seen_;
  std::array<uint32_t, kMaxFields> counts_ = {};     // of seen fields: features so far
  std::array<double, kMaxFields> weight_sums_ = {};  // of seen fields

  // The fields of the last list that AddPacked found to be plain: values of this side, nothing to
  // transform, divide or count.
  Side plain_side_ = Side::kContext;
  std::span<const uint8_t> plain_fields_;
  FieldSet plain_seen_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_FEATURE_ENCODER_H_
