#include "tools/join/item_table.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "tools/side_table.h"

namespace fmserve::tools {

absl::StatusOr<ItemTable> ItemTable::Read(const std::string& path,
                                          const trainer::TrainingSchema& schema, size_t id_field) {
  absl::StatusOr<std::unique_ptr<SideTable>> table =
      SideTable::Open(path, schema, model::Side::kItem, {});
  if (!table.ok()) return table.status();
  const ItemKeys keys(schema.features, id_field);
  ItemTable items;
  for (;;) {
    const absl::StatusOr<bool> more = (*table)->Next();
    if (!more.ok()) return more.status();
    if (!*more) return items;
    const std::span<const std::string_view> cells = (*table)->cells();
    const std::string_view id = cells[id_field];
    const std::optional<uint64_t> key = id.empty() ? std::nullopt : keys.OfText(id);
    if (!key.has_value()) {
      return (*table)->Here(
          absl::InvalidArgumentError(absl::StrCat(model::Quote(id), " is no id of an item")));
    }
    const bool is_new =
        items.cells_.emplace(*key, std::vector<std::string>(cells.begin(), cells.end())).second;
    if (!is_new) {
      return (*table)->Here(absl::InvalidArgumentError(
          absl::StrCat("item ", model::Quote(id), " stands in the table twice")));
    }
  }
}

}  // namespace fmserve::tools
