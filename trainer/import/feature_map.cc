#include "trainer/import/feature_map.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"
#include "trainer/value_text.h"

namespace fmserve::trainer {
namespace {

absl::StatusOr<RowFeature> FeatureOf(const model::FeatureSchema& schema, std::string_view field,
                                     std::string_view value) {
  const std::optional<size_t> index = schema.Find(field);
  if (!index) {
    return absl::InvalidArgumentError(
        absl::StrCat("the schema has no field ", model::Quote(field)));
  }
  const absl::StatusOr<uint64_t> key = KeyOfText(schema, *index, value);
  if (!key.ok()) return key.status();
  return RowFeature{
      .key = *key, .field = static_cast<uint8_t>(*index), .value = std::string(value)};
}

// From the id of a row to the row.
class RowFinder {
 public:
  explicit RowFinder(const ImportedModel& model) : model_(model) {
    for (size_t row = 0; row < model.names.size(); ++row) by_name_.emplace(model.names[row], row);
  }

  // Nothing for an id that the model does not have; InvalidArgument for what is none.
  absl::StatusOr<std::optional<size_t>> Find(std::string_view id) const {
    if (!model_.names.empty()) {
      const auto it = by_name_.find(id);
      return it == by_name_.end() ? std::nullopt : std::optional(it->second);
    }
    const std::optional<int64_t> number = model::ParseInteger(id);
    if (!number || *number < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the id ", model::Quote(id), " is not a whole number from 0 on"));
    }
    return FindNumber(static_cast<uint64_t>(*number));
  }

 private:
  std::optional<size_t> FindNumber(uint64_t id) const {
    if (model_.ids.empty()) return id < model_.rows() ? std::optional<size_t>(id) : std::nullopt;
    const auto it = std::ranges::lower_bound(model_.ids, id);
    if (it == model_.ids.end() || *it != id) return std::nullopt;
    return static_cast<size_t>(it - model_.ids.begin());
  }

  const ImportedModel& model_;
  absl::flat_hash_map<std::string_view, size_t> by_name_;
};

class MapReader {
 public:
  MapReader(const ImportedModel& model, const model::FeatureSchema& schema)
      : model_(model), schema_(schema), finder_(model) {
    map_.rows.resize(model.rows());
  }

  absl::Status AddLine(std::string_view line) {
    const std::string_view id = model::TakeUntil('\t', line);
    const bool three_cells = std::ranges::count(line, '\t') == 1;
    const std::string_view field = model::TakeUntil('\t', line);
    const std::optional<std::string> value = UnescapeCell(line);
    if (!three_cells || id.empty()) {
      return absl::InvalidArgumentError("not id, field and value with tabs between them");
    }
    if (!value) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the value ", model::Quote(line), R"( has a backslash before none of t, n, r and \)"));
    }
    absl::StatusOr<RowFeature> feature = FeatureOf(schema_, field, *value);
    if (!feature.ok()) return feature.status();
    const absl::StatusOr<std::optional<size_t>> row = finder_.Find(id);
    if (!row.ok()) return row.status();
    if (!row->has_value()) {
      ++map_.unknown_ids;
      return absl::OkStatus();
    }
    RowFeature& mapped = map_.rows[**row];
    if (mapped.key != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the id ", model::Quote(id), " stands for a second time"));
    }
    mapped = *std::move(feature);
    return absl::OkStatus();
  }

  absl::StatusOr<FeatureMap> Finish(const std::string& path, bool drop_unmapped) {
    const auto unmapped = [](const RowFeature& feature) { return feature.key == 0; };
    map_.left_out = static_cast<uint64_t>(std::ranges::count_if(map_.rows, unmapped));
    if (map_.left_out == map_.rows.size()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": no id of the model stands in it"));
    }
    if (map_.left_out > 0 && !drop_unmapped) {
      const auto first = std::ranges::find_if(map_.rows, unmapped);
      const auto row = static_cast<size_t>(first - map_.rows.begin());
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": ", map_.left_out, " of ", map_.rows.size(),
          " ids of the model do not stand in it, the first is ", model::Quote(model_.IdText(row)),
          "; name their features, or leave them out with --drop-unmapped"));
    }
    return std::move(map_);
  }

 private:
  const ImportedModel& model_;
  const model::FeatureSchema& schema_;
  RowFinder finder_;
  FeatureMap map_;
};

}  // namespace

absl::StatusOr<FeatureMap> MapBySchema(const ImportedModel& model,
                                       const model::FeatureSchema& schema) {
  const bool one_list =
      schema.size() == 1 && schema.field(0).kind == model::FieldKind::kMultiValued;
  if (!NamesItsFeatures(model) && !one_list) {
    return absl::InvalidArgumentError(
        "the file knows features by their ids: name a map of them with --map, or a schema of one "
        "multi_valued field, whose values are the ids");
  }
  FeatureMap map;
  map.rows.reserve(model.rows());
  for (size_t row = 0; row < model.rows(); ++row) {
    absl::StatusOr<RowFeature> feature =
        NamesItsFeatures(model)
            ? FeatureOf(schema, model.features[row].field, model.features[row].value)
            : FeatureOf(schema, schema.field(0).name, model.IdText(row));
    if (!feature.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("row ", row, ": ", std::string(feature.status().message())));
    }
    map.rows.push_back(*std::move(feature));
  }
  return map;
}

absl::StatusOr<FeatureMap> MapByFile(const ImportedModel& model, const model::FeatureSchema& schema,
                                     const std::string& path, bool drop_unmapped) {
  absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
  if (!input.ok()) return input.status();
  LineReader lines(path, *std::move(input));
  MapReader reader(model, schema);
  while (true) {
    std::span<char> line;
    const absl::StatusOr<bool> more = lines.Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) return reader.Finish(path, drop_unmapped);
    if (line.empty()) continue;
    if (absl::Status status = reader.AddLine({line.data(), line.size()}); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines.Where(), ": ", std::string(status.message())));
    }
  }
}

std::string DefaultSchemaYaml(const ImportedModel& model, model::Task task) {
  return absl::StrCat("task: ", std::string(model::Name(task)),
                      "\nformat: libsvm\nfields:\n  - {name: feature, kind: multi_valued, ",
                      model.names.empty() ? "value_type: integer, " : "", "weighted: true}\n");
}

}  // namespace fmserve::trainer
