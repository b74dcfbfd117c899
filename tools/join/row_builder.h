// A candidate as it was served -> a row of a table that `fm train` reads.
#ifndef FMSERVE_TOOLS_JOIN_ROW_BUILDER_H_
#define FMSERVE_TOOLS_JOIN_ROW_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "fmserve/v1/prediction.pb.h"
#include "tools/join/value_names.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {

// Cells of the fields of the schema, whose text means to FeatureEncoder what the server was sent.
// One thread.
class RowBuilder {
 public:
  using FeatureMessages = google::protobuf::RepeatedPtrField<v1::Feature>;

  // Both must outlive the builder. `names`: of features that come as keys.
  RowBuilder(const trainer::TrainingSchema& schema, ValueNames* names)
      : schema_(schema), names_(names), cells_(schema.features.size()) {}

  // Empties the cells of that side.
  void Clear(model::Side side);

  // Features of the friendly form. InvalidArgument names a field that the schema does not have.
  absl::Status Add(const FeatureMessages& features);

  // Features [first, first + count) of the packed form. InvalidArgument for what a server would
  // have refused: a record that is damaged, or a schema that is not the model's.
  absl::Status Add(const v1::PackedFeatures& packed, size_t first, size_t count);

  // A whole cell as a table has it; lists are separated by '|'.
  void SetCell(size_t field, std::string_view cell);

  std::span<const std::string> cells() const { return cells_; }

  // Whether a value holds a character that separates the values of lists: no table has a way to
  // write that.
  bool unwritable() const { return unwritable_[0] || unwritable_[1]; }

 private:
  // Appends a value to a list, or sets a single one; "" is no value.
  void AddValue(size_t field, std::string_view value, float weight);
  void AddNumber(size_t field, double number);

  const trainer::TrainingSchema& schema_;
  ValueNames* names_;
  std::vector<std::string> cells_;
  bool unwritable_[2] = {false, false};  // by side
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_ROW_BUILDER_H_
