#include "trainer/parsed_chunk.h"

#include <array>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "trainer/row_encoder.h"
#include "trainer/row_reader.h"

namespace fmserve::trainer {
namespace {

// Calls visit(row, features) for each row of the chunk.
template <typename Visit>
absl::Status ForEachRow(Chunk chunk, const TrainingSchema& schema,
                        const model::FeatureSchema& features, Visit visit) {
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::OpenChunk(std::move(chunk), schema, Labels::kRequired);
  if (!reader.ok()) return reader.status();
  RowEncoder encoder(features);
  Row row;
  while (true) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (absl::Status status = encoder.Encode(row.cells); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat((*reader)->Where(), ": ", std::string(status.message())));
    }
    visit(row, encoder.all());
  }
}

void CloseExample(const Row& row, bool weighted, Examples& examples) {
  examples.labels.push_back(*row.label);
  if (weighted) examples.weights.push_back(row.weight);
  examples.ends.push_back(examples.entries.size());
}

// Fills a ParsedChunk row by row.
class ChunkBuilder {
 public:
  ChunkBuilder(const model::FeatureSchema& schema, bool weighted, uint64_t file_number,
               const ParseOptions& options)
      : schema_(schema),
        weighted_(weighted),
        file_number_(file_number),
        options_(options),
        parsed_{.rows_read = 0,
                .examples = {},
                .features = {},
                .cells = {},
                .missing_by_field = std::vector<uint64_t>(schema.size()),
                .sample = RowSample(options.seed, options.samples)} {}

  void Add(const Row& row, const model::FeatureSpan& features) {
    ++parsed_.rows_read;
    if (!Keeps(row)) return;
    for (size_t i = 0; i < features.size(); ++i) {
      const uint8_t field = features.fields[i];
      const uint32_t id = Count(features.keys[i], field, row);
      parsed_.missing_by_field[field] += features.keys[i] == schema_.missing_key(field);
      parsed_.examples.entries.push_back({id, features.xs[i]});
    }
    CloseExample(row, weighted_, parsed_.examples);
    parsed_.sample.Show(NumberOf(row), row.cells);
  }

  ParsedChunk Take() { return std::move(parsed_); }

 private:
  // In the whole data set.
  uint64_t NumberOf(const Row& row) const { return (file_number_ << 40) + row.line; }

  bool Keeps(const Row& row) const {
    if (options_.negatives >= 1.0 || *row.label != 0.0F) return true;
    const uint64_t draw = DrawOfRow(options_.seed, NumberOf(row));
    return static_cast<double>(draw >> 11) * 0x1p-53 < options_.negatives;
  }

  uint32_t Count(uint64_t key, uint8_t field, const Row& row) {
    const auto example = static_cast<uint32_t>(parsed_.examples.size());
    const auto [it, is_new] = ids_.try_emplace(key, static_cast<uint32_t>(parsed_.features.size()));
    if (is_new) {
      const Cell& cell = CellOf(field, example, row);
      parsed_.features.push_back({.key = key,
                                  .count = 1,
                                  .last_example = example,
                                  .cell_bytes = cell.bytes,
                                  .cell_begin = cell.begin,
                                  .field = field});
    } else if (ChunkFeature& feature = parsed_.features[it->second];
               feature.last_example != example) {
      ++feature.count;
      feature.last_example = example;
    }
    return it->second;
  }

  // Where a copy of the cell lies, one for all features that are new in it.
  struct Cell {
    uint32_t example_after = 0;  // one past the example that it is of; 0: of none
    uint32_t bytes = 0;
    size_t begin = 0;
  };

  const Cell& CellOf(uint8_t field, uint32_t example, const Row& row) {
    Cell& cell = copied_[field];
    if (cell.example_after != example + 1) {
      cell = {.example_after = example + 1,
              .bytes = static_cast<uint32_t>(row.cells[field].size()),
              .begin = parsed_.cells.size()};
      parsed_.cells += row.cells[field];
    }
    return cell;
  }

  const model::FeatureSchema& schema_;
  const bool weighted_;
  const uint64_t file_number_;
  const ParseOptions& options_;
  ParsedChunk parsed_;
  absl::flat_hash_map<uint64_t, uint32_t> ids_;
  std::array<Cell, model::kMaxFields> copied_ = {};
};

}  // namespace

absl::StatusOr<ParsedChunk> ParseChunk(Chunk chunk, const TrainingSchema& schema,
                                       const model::FeatureSchema& features,
                                       const ParseOptions& options) {
  ChunkBuilder builder(features, !schema.weight_column.empty(), chunk.file_number, options);
  absl::Status status =
      ForEachRow(std::move(chunk), schema, features,
                 [&](const Row& row, const model::FeatureSpan& list) { builder.Add(row, list); });
  if (!status.ok()) return status;
  return builder.Take();
}

absl::StatusOr<Examples> ParseKnown(Chunk chunk, const TrainingSchema& schema,
                                    const model::FeatureSchema& features,
                                    const Vocabulary& vocabulary) {
  Examples examples;
  absl::Status status = ForEachRow(
      std::move(chunk), schema, features, [&](const Row& row, const model::FeatureSpan& list) {
        for (size_t i = 0; i < list.size(); ++i) vocabulary.Prefetch(list.keys[i]);
        for (size_t i = 0; i < list.size(); ++i) {
          const uint32_t id = vocabulary.Find(list.keys[i], list.fields[i]);
          if (id != kNoRow) examples.entries.push_back({id, list.xs[i]});
        }
        CloseExample(row, !schema.weight_column.empty(), examples);
      });
  if (!status.ok()) return status;
  return examples;
}

}  // namespace fmserve::trainer
