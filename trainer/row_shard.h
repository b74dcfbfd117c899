// The part of a data set that a rank reads.
#ifndef FMSERVE_TRAINER_ROW_SHARD_H_
#define FMSERVE_TRAINER_ROW_SHARD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/chunk_stream.h"
#include "trainer/ranks.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

enum class ShardBy : uint8_t {
  kAuto,   // whole files, if there are as many as ranks; else rows
  kFiles,  // file i belongs to rank i mod ranks
  kRows,   // of every file, piece i belongs to rank i mod ranks
  kOwn,    // what a rank finds at the path belongs to it: other ranks find other files there
};

struct RowShard {
  struct File {
    std::string path;
    uint64_t number = 0;  // in the whole data set
  };

  std::vector<File> files;
  // Of the chunks of these files, counted over all of them, every `stride`-th from `first` on.
  uint64_t first = 0;
  uint64_t stride = 1;
  size_t chunk_bytes = ChunkStream::kChunkBytes;
};

// The part of this one of `ranks` of the file or folder at `path`. Errors of RowFiles;
// InvalidArgument if kFiles leaves a rank without a file.
absl::StatusOr<RowShard> ShardOf(const std::string& path, ShardBy by, const Ranks& ranks);

// The chunks of a shard, in the order of its files. One thread.
class ShardChunks {
 public:
  // Both must outlive this.
  ShardChunks(const RowShard& shard, const TrainingSchema& schema)
      : shard_(shard), schema_(schema) {}

  // As ChunkStream::Next, and errors of ChunkStream::Open.
  absl::StatusOr<bool> Next(Chunk* chunk);

 private:
  absl::StatusOr<bool> NextOfAll(Chunk* chunk);

  const RowShard& shard_;
  const TrainingSchema& schema_;
  std::unique_ptr<ChunkStream> file_;
  size_t files_opened_ = 0;
  uint64_t chunks_seen_ = 0;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_SHARD_H_
