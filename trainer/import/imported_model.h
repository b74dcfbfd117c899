// What every reader of a foreign model file returns: the parameters of a factorization machine,
// and what the file leaves open.
#ifndef FMSERVE_TRAINER_IMPORT_IMPORTED_MODEL_H_
#define FMSERVE_TRAINER_IMPORT_IMPORTED_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/golden.h"
#include "model/types.h"

namespace fmserve::trainer {

// Rows are numbered with 31 bits, as in a dictionary.
inline constexpr uint64_t kMaxImportedRows = uint64_t{1} << 31;

// A feature by the name of its field and its value as people write it (value_text.h).
struct NamedFeature {
  std::string field;
  std::string value;

  bool operator==(const NamedFeature&) const = default;
};

struct ImportedModel {
  // What the file may leave for people to say.
  std::optional<model::Task> task{};  // nothing: it does not say
  bool link_is_open = false;          // a binary task may be of the sigmoid or of the probit link
  bool norm_is_open = false;          // xLearn: rows may have been scaled by their instance norm

  double w0 = 0.0;
  uint32_t k = 0;          // 1 to model::kMaxK; a linear model has one factor, 0 throughout
  std::vector<float> w{};  // [rows], finite
  std::vector<float> v{};  // [rows * k], finite

  // Which feature row r is. At most one of them has elements, one per row; without any, row r is
  // the feature with id r.
  std::vector<uint64_t> ids{};           // ascending: the others have no weights
  std::vector<std::string> names{};      // ids that are texts of 1 to model::kMaxValueBytes bytes
  std::vector<NamedFeature> features{};  // field and value stand in the file

  model::Metadata notes{};  // what else the file says of itself: "epoch", "optimiser" …

  size_t rows() const { return w.size(); }
  std::span<const float> factors(size_t row) const { return {v.data() + row * k, k}; }

  // The id of a row as people write it; empty when the file names fields and values.
  std::string IdText(size_t row) const {
    if (!features.empty()) return "";
    if (!names.empty()) return names[row];
    return std::to_string(ids.empty() ? row : ids[row]);
  }
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_IMPORTED_MODEL_H_
