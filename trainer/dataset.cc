#include "trainer/dataset.h"

#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/chunk_stream.h"
#include "trainer/measure.h"
#include "trainer/parallel_chunks.h"
#include "trainer/parsed_chunk.h"
#include "trainer/rank_vocabulary.h"
#include "trainer/row_cache.h"
#include "trainer/row_identity.h"
#include "trainer/value_text.h"

namespace fmserve::trainer {
namespace {

// Rows of the chunk's features in the vocabulary, which learns those that are new.
std::vector<uint32_t> AddFeatures(const ParsedChunk& chunk, const model::FeatureSchema& schema,
                                  Vocabulary& vocabulary) {
  constexpr size_t kAhead = 16;  // misses of the cache under way at a time
  std::vector<uint32_t> rows;
  rows.reserve(chunk.features.size());
  for (size_t i = 0; i < chunk.features.size(); ++i) {
    if (i + kAhead < chunk.features.size()) vocabulary.Prefetch(chunk.features[i + kAhead].key);
    const ChunkFeature& feature = chunk.features[i];
    const size_t known = vocabulary.size();
    const uint32_t row = vocabulary.Add(feature.key, feature.field, feature.count);
    if (row == known) {
      vocabulary[row].value = ValueText(schema, feature.field, feature.key, chunk.cell(feature));
    }
    rows.push_back(row);
  }
  return rows;
}

// Appends `more`, whose entries have places in `rows` as their rows.
void Append(const Examples& more, std::span<const uint32_t> rows, Examples& examples) {
  const size_t entries_before = examples.entries.size();
  examples.labels.insert(examples.labels.end(), more.labels.begin(), more.labels.end());
  examples.weights.insert(examples.weights.end(), more.weights.begin(), more.weights.end());
  for (const size_t end : more.ends) examples.ends.push_back(entries_before + end);
  for (const Entry& entry : more.entries) {
    examples.entries.push_back({rows.empty() ? entry.row : rows[entry.row], entry.x});
  }
}

// The order of a block's examples is numbered with 32 bits.
absl::Status CheckSizes(const std::string& path, const TrainingRows& rows) {
  if (rows.size() == 0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": there are no rows"));
  if (rows.totals().weights <= 0.0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": all rows have weight 0"));
  for (size_t block = 0; block < rows.blocks_count(); ++block) {
    if (rows.examples_of(block) <= std::numeric_limits<uint32_t>::max()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": more than 2^32 - 1 rows at once; train with a cache"));
  }
  return absl::OkStatus();
}

void RenumberEntries(const std::vector<uint32_t>& new_rows, TrainingData& data) {
  if (data.cache) data.cache->Renumber(new_rows);
  for (Entry& entry : data.examples.entries) entry.row = new_rows[entry.row];
}

// Counts and vocabulary become those of all ranks.
absl::Status Unite(Ranks& ranks, TrainingData& data) {
  if (ranks.size() == 1) return absl::OkStatus();
  // Whole numbers up to 2^53.
  std::vector<double> counts(data.missing_by_field.begin(), data.missing_by_field.end());
  counts.push_back(static_cast<double>(data.rows_count));
  counts.push_back(static_cast<double>(data.entries_count));
  absl::Status status = ranks.SumInPlace(std::span<double>(counts));
  if (!status.ok()) return status;
  const size_t fields_count = data.missing_by_field.size();
  for (size_t field = 0; field < fields_count; ++field)
    data.missing_by_field[field] = static_cast<uint64_t>(counts[field]);
  data.rows_count = static_cast<uint64_t>(counts[fields_count]);
  data.entries_count = static_cast<uint64_t>(counts[fields_count + 1]);

  const absl::StatusOr<std::vector<uint32_t>> new_rows = UniteVocabularies(ranks, data.vocabulary);
  if (!new_rows.ok()) return new_rows.status();
  RenumberEntries(*new_rows, data);
  return absl::OkStatus();
}

// Sets data.schema.
absl::Status Measure(const RowShard& shard, const TrainingSchema& schema,
                     const ReadOptions& options, Ranks& ranks, TrainingData& data) {
  absl::StatusOr<model::FeatureSchema> measured =
      options.warm_start ? FeaturesOf(*options.warm_start, schema, options.shape)
                         : MeasureFields(shard, schema, options.threads, ranks, options.progress);
  if (!measured.ok()) return measured.status();
  data.schema = *std::move(measured);
  return absl::OkStatus();
}

// Sets all of `data` that rows tell, but for the examples: add(examples, rows) gets those of a
// chunk, with the rows of their entries in the vocabulary.
template <typename Add>
absl::Status ParseRows(const RowShard& shard, const TrainingSchema& schema,
                       const ReadOptions& options, TrainingData& data, Add add) {
  data.missing_by_field.assign(data.schema.size(), 0);
  RowSample sample(options.seed, options.samples);
  const ParseOptions parse_options = {
      .seed = options.seed, .samples = options.samples, .negatives = options.negatives};
  uint64_t rows_read = 0;
  absl::Status added;
  absl::Status status = ParallelChunks(
      shard, schema, options.threads,
      [&](Chunk chunk) { return ParseChunk(std::move(chunk), schema, data.schema, parse_options); },
      [&](ParsedChunk chunk) {
        data.rows_count += chunk.examples.size();
        data.entries_count += chunk.examples.entries.size();
        const std::vector<uint32_t> rows = AddFeatures(chunk, data.schema, data.vocabulary);
        if (added.ok()) added = add(chunk.examples, rows);
        for (size_t field = 0; field < data.schema.size(); ++field)
          data.missing_by_field[field] += chunk.missing_by_field[field];
        sample.Merge(std::move(chunk.sample));
        rows_read += chunk.rows_read;
        if (options.progress) options.progress(rows_read);
      });
  data.samples = sample.Take();
  return status.ok() ? added : status;
}

absl::Status ReadIntoMemory(const RowShard& shard, const TrainingSchema& schema,
                            const ReadOptions& options, Ranks& ranks, TrainingData& data) {
  if (absl::Status status = Measure(shard, schema, options, ranks, data); !status.ok())
    return status;
  return ParseRows(shard, schema, options, data,
                   [&](const Examples& examples, std::span<const uint32_t> rows) {
                     Append(examples, rows, data.examples);
                     return absl::OkStatus();
                   });
}

absl::Status WriteCache(const std::string& path, const std::string& identity, const RowShard& shard,
                        const TrainingSchema& schema, const ReadOptions& options,
                        TrainingData& data) {
  absl::StatusOr<RowCacheWriter> writer = RowCacheWriter::Create(path, options.block_bytes);
  if (!writer.ok()) return writer.status();
  Examples renumbered;
  absl::Status status = ParseRows(shard, schema, options, data,
                                  [&](const Examples& examples, std::span<const uint32_t> rows) {
                                    renumbered = {};
                                    Append(examples, rows, renumbered);
                                    return writer->Add(renumbered);
                                  });
  return status.ok() ? writer->Finish(identity, data) : status;
}

absl::Status ReadThroughCache(const RowShard& shard, const TrainingSchema& schema,
                              const ReadOptions& options, Ranks& ranks, TrainingData& data) {
  // What ranks measure they measure together, whether or not their caches are good.
  const bool measured = ranks.size() > 1 || options.warm_start != nullptr;
  if (measured) {
    absl::Status status = Measure(shard, schema, options, ranks, data);
    if (!status.ok()) return status;
  }
  const std::string path =
      ranks.size() == 1 ? options.cache
                        : absl::StrCat(options.cache, ".rank-", ranks.rank(), "-of-", ranks.size());
  const absl::StatusOr<std::string> identity =
      IdentityOfRows(shard, schema, options, measured ? data.schema.Serialize() : std::string());
  if (!identity.ok()) return identity.status();
  auto cache = RowCache::Open(path, *identity, data);
  if (!cache.ok()) {
    model::FeatureSchema features = measured ? data.schema : model::FeatureSchema();
    data = {};
    data.schema = std::move(features);
    absl::Status status;
    if (!measured) status = Measure(shard, schema, options, ranks, data);
    if (status.ok()) status = WriteCache(path, *identity, shard, schema, options, data);
    if (!status.ok()) return status;
    data = {};
    cache = RowCache::Open(path, *identity, data);
    if (!cache.ok()) return cache.status();
  }
  data.cache = *std::move(cache);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingData> ReadTrainingData(const std::string& path, const TrainingSchema& schema,
                                              const ReadOptions& options) {
  OneRank alone;
  Ranks& ranks = options.ranks != nullptr ? *options.ranks : alone;
  const absl::StatusOr<RowShard> shard = ShardOf(path, options.shard_by, ranks);
  if (!shard.ok()) return shard.status();
  TrainingData data;
  absl::Status status = options.cache.empty()
                            ? ReadIntoMemory(*shard, schema, options, ranks, data)
                            : ReadThroughCache(*shard, schema, options, ranks, data);
  if (status.ok() && ranks.size() > 1 && data.rows_count == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": rank ", ranks.rank(), " of ",
                                                   ranks.size(), " has no rows; start fewer"));
  }
  if (status.ok()) status = CheckSizes(path, data.rows());
  if (status.ok()) status = Unite(ranks, data);
  if (!status.ok()) return status;

  if (options.warm_start) {
    AddFeatures(*options.warm_start, data.vocabulary);
    const auto& counts = options.warm_start->file->counts();
    if (counts) data.earlier_rows = counts->rows;
  }
  RenumberEntries(data.vocabulary.Prune(data.schema), data);
  return data;
}

absl::StatusOr<Examples> ReadExamples(const std::string& path, const TrainingSchema& schema,
                                      const TrainingData& data, const ReadOptions& options) {
  Examples examples;
  const absl::StatusOr<RowShard> all = ShardOf(path, ShardBy::kAuto, OneRank());
  if (!all.ok()) return all.status();
  absl::Status status = ParallelChunks(
      *all, schema, options.threads,
      [&](Chunk chunk) {
        return ParseKnown(std::move(chunk), schema, data.schema, data.vocabulary);
      },
      [&](const Examples& chunk) {
        Append(chunk, {}, examples);
        if (options.progress) options.progress(examples.size());
      });
  if (status.ok()) status = CheckSizes(path, TrainingRows(examples));
  if (!status.ok()) return status;
  return examples;
}

}  // namespace fmserve::trainer
