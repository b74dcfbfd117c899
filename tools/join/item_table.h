// The items that requests name by ids alone, with their features.
#ifndef FMSERVE_TOOLS_JOIN_ITEM_TABLE_H_
#define FMSERVE_TOOLS_JOIN_ITEM_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "tools/join/click_table.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {

// In memory. Immutable.
class ItemTable {
 public:
  // A table such as `fm catalogue build` reads, laid out as `schema` says; `id_field` is of the
  // item side. InvalidArgument names file and line of an id that is none or stands there twice.
  static absl::StatusOr<ItemTable> Read(const std::string& path,
                                        const trainer::TrainingSchema& schema, size_t id_field);

  // One cell per field of the schema, with lists separated by '|'; null when there is none.
  const std::vector<std::string>* Find(uint64_t item_key) const {
    const auto found = cells_.find(item_key);
    return found == cells_.end() ? nullptr : &found->second;
  }

 private:
  absl::flat_hash_map<uint64_t, std::vector<std::string>> cells_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_ITEM_TABLE_H_
