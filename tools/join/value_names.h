// Keys back to values, for features that clients sent hashed.
#ifndef FMSERVE_TOOLS_JOIN_VALUE_NAMES_H_
#define FMSERVE_TOOLS_JOIN_VALUE_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "model/feature_schema.h"
#include "model/weight_file.h"

namespace fmserve::tools {

// One thread.
class ValueNames {
 public:
  // `schema` must outlive the names.
  explicit ValueNames(const model::FeatureSchema& schema) : schema_(schema) {}

  // The values that a weight file names. FailedPrecondition when it names none.
  absl::Status AddWeights(const std::string& path);

  // A file of lines of a field, a tab and a value, also .gz or .zst; held in memory.
  // InvalidArgument names the file and the line.
  absl::Status AddTable(const std::string& path);

  // The value of a categorical or multi-valued field that has the key. One that nothing names gets
  // a stand-in, the same for the same key, which no client sends, and is counted.
  std::string Find(size_t field, uint64_t key);

  uint64_t unnamed_count() const { return unnamed_; }

 private:
  std::optional<std::string_view> FindName(size_t field, uint64_t key) const;

  const model::FeatureSchema& schema_;
  std::vector<std::shared_ptr<const model::WeightFile>> files_;
  absl::flat_hash_map<uint64_t, std::string> values_;  // keys differ by field
  uint64_t unnamed_ = 0;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_VALUE_NAMES_H_
