// From files of raw values to examples in memory.
#ifndef FMSERVE_TRAINER_DATASET_H_
#define FMSERVE_TRAINER_DATASET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "trainer/examples.h"
#include "trainer/ranks.h"
#include "trainer/row_cache.h"
#include "trainer/row_sample.h"
#include "trainer/row_shard.h"
#include "trainer/schema_yaml.h"
#include "trainer/training_rows.h"
#include "trainer/vocabulary.h"
#include "trainer/warm_start.h"

namespace fmserve::trainer {

struct TrainingData {
  model::FeatureSchema schema;  // standardised fields measured
  Vocabulary vocabulary;
  Examples examples;                  // of this rank; all else is of all ranks together
  std::unique_ptr<RowCache> cache{};  // has them instead, if ReadOptions::cache says so
  uint64_t rows_count = 0;            // of examples
  uint64_t entries_count = 0;         // of their features
  std::vector<RawRow> samples;  // a few rows as they were read, drawn evenly by rank 0, for goldens
  std::vector<uint64_t> missing_by_field;  // rows without a value
  uint64_t earlier_rows = 0;  // that the model was trained on which training goes on from

  // Those of this rank. Refers to this.
  TrainingRows rows() const { return cache ? TrainingRows(*cache) : TrainingRows(examples); }
};

struct ReadOptions {
  uint64_t seed = 1;  // of the samples
  uint32_t samples = 31;
  double negatives = 1.0;  // the share of the rows with label 0 that is kept, above 0 to 1
  uint32_t threads = 0;    // that parse; 0: one for each processor; the result is the same
  const WarmStart* warm_start = nullptr;  // its features are in the vocabulary, too
  ModelShape shape{};                     // only asked with warm_start
  Ranks* ranks = nullptr;                 // that read together; null: one alone
  ShardBy shard_by = ShardBy::kAuto;
  std::string cache{};                            // file of the parsed rows; "": they are in memory
  uint64_t block_bytes = uint64_t{64} << 20;      // of its rows that are in memory at once
  std::function<void(uint64_t rows)> progress{};  // rows read so far, now and then; may be empty
};

// Reads the file, or all files of a folder, twice if fields are to be measured. Several ranks read
// a part each (row_shard.h), and have one vocabulary in the end. With a cache they are parsed only
// if that is not of these rows, this schema and these options, which the content of the files
// decides, or is damaged; it is then written anew. Ranks have one each, <cache>.rank-<i>-of-<n>.
//
// Of the rows with label 0 only a share is kept if options.negatives says so, chosen by file, line
// number and seed; features are counted in what is kept. InvalidArgument names file, line and what
// is wrong: no rows, no label, values that a field refuses, a measured field without two different
// values, no row that counts, an earlier model that does not fit (warm_start.h), a rank without
// rows. Errors of RowFiles and Ranks.
absl::StatusOr<TrainingData> ReadTrainingData(const std::string& path, const TrainingSchema& schema,
                                              const ReadOptions& options);

// Reads further examples of features that are known already: what the vocabulary does not know is
// its field's rare feature or left out, as when the model serves. All rows are kept. `data` is what
// ReadTrainingData returned.
absl::StatusOr<Examples> ReadExamples(const std::string& path, const TrainingSchema& schema,
                                      const TrainingData& data, const ReadOptions& options);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_DATASET_H_
