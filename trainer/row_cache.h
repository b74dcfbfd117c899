// Parsed rows in a file, so that they are parsed once and need not fit into memory.
//
// A file is, little-endian: the 8 bytes "fmrows01"; blocks of examples (row_block.h), whose rows
// are numbers of features in the order in which they were first seen; the index; and at the end 48
// bytes: offset and length of the index (uint64 each), the XXH3-128 of the index, the XXH3-128 of
// these 32 bytes. The index is one MessagePack object: what the rows were made of, where each block
// lies with its XXH3-128, and all else that reading the rows has found. The build that wrote it
// reads it: a layout that changes gets another number.
#ifndef FMSERVE_TRAINER_ROW_CACHE_H_
#define FMSERVE_TRAINER_ROW_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/atomic_file.h"
#include "model/checksum.h"
#include "model/mapped_file.h"
#include "trainer/examples.h"

namespace fmserve::trainer {

struct TrainingData;

struct CachedBlock {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t examples = 0;
  model::Checksum checksum = {};
};

// One thread. Errors name the path.
class RowCacheWriter {
 public:
  // A block has as many examples as take about `block_bytes` in memory, at least one.
  static absl::StatusOr<RowCacheWriter> Create(const std::string& path, uint64_t block_bytes);

  // Their rows are those of the vocabulary before Prune.
  absl::Status Add(const Examples& examples);

  // `data` without its examples, its vocabulary before Prune. The file then is at `path`. Last.
  absl::Status Finish(const std::string& identity, const TrainingData& data);

 private:
  RowCacheWriter(model::AtomicFile file, uint64_t block_bytes)
      : file_(std::move(file)), block_bytes_(block_bytes) {}

  absl::Status WriteBlock();

  model::AtomicFile file_;
  uint64_t block_bytes_;
  Examples block_;
  std::vector<CachedBlock> blocks_;
  LabelTotals totals_;
};

// Used by one thread; reads ahead on another.
class RowCache {
 public:
  // Sets `data`, but for its examples, to what Finish was given. Trusts nothing in the file:
  // NotFound when there is none, FailedPrecondition when it is of another identity, DataLoss when
  // it is damaged.
  static absl::StatusOr<std::unique_ptr<RowCache>> Open(const std::string& path,
                                                        const std::string& identity,
                                                        TrainingData& data);

  const std::string& identity() const { return identity_; }
  uint64_t size() const { return examples_; }
  size_t blocks_count() const { return blocks_.size(); }
  uint64_t examples_of(size_t block) const { return blocks_[block].examples; }
  const LabelTotals& totals() const { return totals_; }

  // From now on rows are new_rows[what they were].
  void Renumber(std::span<const uint32_t> new_rows);

  // The examples of a block, until the call after the next one; then begins to read `next`, if that
  // is a block, on another thread. DataLoss when it is damaged.
  absl::StatusOr<const Examples*> Load(size_t block, size_t next);

 private:
  RowCache(std::string path, std::string identity, model::MappedFile file)
      : path_(std::move(path)), identity_(std::move(identity)), file_(std::move(file)) {}

  absl::Status Decode(size_t block, Examples& examples) const;

  const std::string path_;
  const std::string identity_;
  const model::MappedFile file_;
  std::vector<CachedBlock> blocks_;
  uint64_t examples_ = 0;
  LabelTotals totals_;
  std::vector<uint32_t> new_rows_;
  Examples buffers_[2];
  size_t ahead_ = SIZE_MAX;            // the block that is read ahead
  std::future<absl::Status> reading_;  // into the buffer that was not loaded last
  size_t loaded_ = 0;                  // the buffer that was
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_CACHE_H_
