// A piece of a data file, parsed on its own: features are numbered within the chunk, so that
// threads parse side by side and share nothing.
#ifndef FMSERVE_TRAINER_PARSED_CHUNK_H_
#define FMSERVE_TRAINER_PARSED_CHUNK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "trainer/chunk_stream.h"
#include "trainer/examples.h"
#include "trainer/row_sample.h"
#include "trainer/schema_yaml.h"
#include "trainer/vocabulary.h"

namespace fmserve::trainer {

struct ParseOptions {
  uint64_t seed = 1;       // of the rows drawn below
  uint32_t samples = 0;    // rows to keep as they are
  double negatives = 1.0;  // the share of the rows with label 0 that is kept, above 0 to 1
};

// A feature of a chunk.
struct ChunkFeature {
  uint64_t key = 0;
  uint32_t count = 0;         // rows of the chunk that have it
  uint32_t last_example = 0;  // of them
  uint32_t cell_bytes = 0;    // of the first cell in which it stands
  size_t cell_begin = 0;      // in ParsedChunk::cells
  uint8_t field = 0;
};

struct ParsedChunk {
  uint64_t rows_read = 0;                  // kept or not
  Examples examples;                       // Entry::row: place in `features`
  std::vector<ChunkFeature> features;      // in the order in which they first stand in the chunk
  std::string cells;                       // one after the other, as far as `features` needs them
  std::vector<uint64_t> missing_by_field;  // rows without a value
  RowSample sample;

  std::string_view cell(const ChunkFeature& feature) const {
    return std::string_view(cells).substr(feature.cell_begin, feature.cell_bytes);
  }
};

// `features` are those of `schema`, with fields that are standardised measured. InvalidArgument
// names file, line and what is wrong.
absl::StatusOr<ParsedChunk> ParseChunk(Chunk chunk, const TrainingSchema& schema,
                                       const model::FeatureSchema& features,
                                       const ParseOptions& options);

// The same of features that are known: Entry::row is that of the vocabulary, which threads may
// share; what it does not know is its field's rare feature or left out. All rows are kept.
absl::StatusOr<Examples> ParseKnown(Chunk chunk, const TrainingSchema& schema,
                                    const model::FeatureSchema& features,
                                    const Vocabulary& vocabulary);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PARSED_CHUNK_H_
