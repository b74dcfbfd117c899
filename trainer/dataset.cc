#include "trainer/dataset.h"

#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string_view>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "model/dictionary.h"
#include "trainer/measure.h"
#include "trainer/row_encoder.h"
#include "trainer/row_reader.h"
#include "trainer/value_text.h"

namespace fmserve::trainer {
namespace {

constexpr uint64_t kProgressRows = 16384;

// Keeps `wanted` of the rows that it is shown, each with the same chance (reservoir sampling,
// Vitter's algorithm R).
class Reservoir {
 public:
  Reservoir(uint64_t seed, uint32_t wanted) : random_(seed), wanted_(wanted) {}

  void Show(std::span<const std::string_view> cells) {
    const uint64_t place = seen_ < wanted_ ? seen_ : random_() % (seen_ + 1);
    ++seen_;
    if (place >= wanted_) return;
    if (place == rows_.size()) rows_.emplace_back();
    rows_[place].assign(cells.begin(), cells.end());
  }

  std::vector<RawRow> Take() { return std::move(rows_); }

 private:
  std::mt19937_64 random_;
  uint64_t wanted_;
  uint64_t seen_ = 0;
  std::vector<RawRow> rows_;
};

// Calls visit(row, features) for each row of the file.
template <typename Visit>
absl::Status ForEachRow(const std::string& path, const TrainingSchema& schema,
                        const model::FeatureSchema& features, const ReadOptions& options,
                        Visit visit) {
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      RowReader::Open(path, schema, Labels::kRequired);
  if (!reader.ok()) return reader.status();
  RowEncoder encoder(features);
  Row row;
  for (uint64_t rows = 1;; ++rows) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (absl::Status status = encoder.Encode(row.cells); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat((*reader)->Where(), ": ", std::string(status.message())));
    }
    visit(row, encoder.all());
    if (options.progress && rows % kProgressRows == 0) options.progress(rows);
  }
}

// Whether a row is among the share of its kind that is kept: the same ones for one seed.
class NegativeSample {
 public:
  NegativeSample(uint64_t seed, double share) : seed_(seed), share_(share) {}

  bool Keeps(const Row& row) {
    ++rows_count_;
    if (share_ >= 1.0 || *row.label != 0.0F) return true;
    const uint64_t hash =
        model::DictionaryHash::Mix(model::DictionaryHash::Mix(seed_) + rows_count_);
    return static_cast<double>(hash >> 11) * 0x1p-53 < share_;
  }

 private:
  const uint64_t seed_;
  const double share_;
  uint64_t rows_count_ = 0;
};

void CloseExample(const Row& row, bool weighted, Examples& examples) {
  examples.labels.push_back(*row.label);
  if (weighted) examples.weights.push_back(row.weight);
  examples.ends.push_back(examples.entries.size());
}

// Parameter rows and the order of examples are numbered with 32 bits.
absl::Status CheckSizes(const std::string& path, const Examples& examples) {
  if (examples.size() == 0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": there are no rows"));
  const bool counts = examples.weights.empty() ||
                      absl::c_any_of(examples.weights, [](float weight) { return weight > 0.0F; });
  if (!counts) return absl::InvalidArgumentError(absl::StrCat(path, ": all rows have weight 0"));
  if (examples.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": more than 2^32 - 1 rows; train on a sample"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingData> ReadTrainingData(const std::string& path, const TrainingSchema& schema,
                                              const ReadOptions& options) {
  absl::StatusOr<model::FeatureSchema> measured = MeasureFields(path, schema, options.progress);
  if (!measured.ok()) return measured.status();
  TrainingData data;
  data.schema = *std::move(measured);
  data.missing_by_field.assign(data.schema.size(), 0);
  Vocabulary& vocabulary = data.vocabulary;
  Examples& examples = data.examples;
  Reservoir reservoir(options.seed, options.samples);
  NegativeSample sample(options.seed, options.negatives);
  const bool weighted = !schema.weight_column.empty();

  absl::Status status = ForEachRow(
      path, schema, data.schema, options, [&](const Row& row, const model::FeatureSpan& features) {
        if (!sample.Keeps(row)) return;
        for (size_t i = 0; i < features.size(); ++i) {
          const uint8_t field = features.fields[i];
          const size_t known = vocabulary.size();
          const uint32_t id = vocabulary.Count(features.keys[i], field, examples.size());
          if (id == known) {
            vocabulary[id].value =
                ValueText(data.schema, field, features.keys[i], row.cells[field]);
          }
          data.missing_by_field[field] += features.keys[i] == data.schema.missing_key(field);
          examples.entries.push_back({id, features.xs[i]});
        }
        CloseExample(row, weighted, examples);
        reservoir.Show(row.cells);
      });
  if (status.ok()) status = CheckSizes(path, examples);
  if (!status.ok()) return status;

  const std::vector<uint32_t> new_rows = vocabulary.Prune(data.schema);
  for (Entry& entry : examples.entries) entry.row = new_rows[entry.row];
  data.samples = reservoir.Take();
  return data;
}

absl::StatusOr<Examples> ReadExamples(const std::string& path, const TrainingSchema& schema,
                                      const TrainingData& data, const ReadOptions& options) {
  Examples examples;
  absl::Status status = ForEachRow(
      path, schema, data.schema, options, [&](const Row& row, const model::FeatureSpan& features) {
        for (size_t i = 0; i < features.size(); ++i) {
          const uint32_t id = data.vocabulary.Find(features.keys[i], features.fields[i]);
          if (id != kNoRow) examples.entries.push_back({id, features.xs[i]});
        }
        CloseExample(row, !schema.weight_column.empty(), examples);
      });
  if (status.ok()) status = CheckSizes(path, examples);
  if (!status.ok()) return status;
  return examples;
}

}  // namespace fmserve::trainer
