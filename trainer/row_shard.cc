#include "trainer/row_shard.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "trainer/row_files.h"

namespace fmserve::trainer {
namespace {

// Small enough that the ranks have about as many rows each, also of a small file.
size_t ChunkBytes(const std::vector<std::string>& paths, uint32_t ranks) {
  constexpr uint64_t kChunksPerRank = 64;
  constexpr uint64_t kLeast = 16;
  uint64_t bytes = 0;
  for (const std::string& path : paths) {
    std::error_code ignored;  // opening it will tell
    const uintmax_t size = std::filesystem::file_size(path, ignored);
    if (!ignored) bytes += size;
  }
  return std::clamp<uint64_t>(bytes / (kChunksPerRank * ranks), kLeast, ChunkStream::kChunkBytes);
}

}  // namespace

absl::StatusOr<RowShard> ShardOf(const std::string& path, ShardBy by, const Ranks& ranks) {
  const absl::StatusOr<std::vector<std::string>> paths = RowFiles(path);
  if (!paths.ok()) return paths.status();
  const uint32_t rank = ranks.rank();
  const bool enough = paths->size() >= ranks.size();
  if (by == ShardBy::kFiles && !enough) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", paths->size(), " files for ",
                                                   ranks.size(), " ranks; shard by rows instead"));
  }
  const bool whole_files = by == ShardBy::kFiles || (by == ShardBy::kAuto && enough);
  RowShard shard;
  for (size_t i = 0; i < paths->size(); ++i) {
    if (by == ShardBy::kOwn) {
      shard.files.push_back({.path = (*paths)[i], .number = rank * kMaxRowFiles + i});
    } else if (!whole_files || i % ranks.size() == rank) {
      shard.files.push_back({.path = (*paths)[i], .number = i});
    }
  }
  if (ranks.size() > 1 && by != ShardBy::kOwn && !whole_files) {
    shard.first = rank;
    shard.stride = ranks.size();
    shard.chunk_bytes = ChunkBytes(*paths, ranks.size());
  }
  return shard;
}

absl::StatusOr<bool> ShardChunks::Next(Chunk* chunk) {
  while (true) {
    const absl::StatusOr<bool> more = NextOfAll(chunk);
    if (!more.ok() || !*more) return more;
    if (chunks_seen_++ % shard_.stride == shard_.first) return true;
  }
}

absl::StatusOr<bool> ShardChunks::NextOfAll(Chunk* chunk) {
  while (true) {
    if (file_ != nullptr) {
      const absl::StatusOr<bool> more = file_->Next(chunk);
      chunk->file_number = shard_.files[files_opened_ - 1].number;
      if (!more.ok() || *more) return more;
    }
    if (files_opened_ == shard_.files.size()) return false;
    absl::StatusOr<std::unique_ptr<ChunkStream>> opened =
        ChunkStream::Open(shard_.files[files_opened_].path, schema_, shard_.chunk_bytes);
    if (!opened.ok()) return opened.status();
    file_ = *std::move(opened);
    ++files_opened_;
  }
}

}  // namespace fmserve::trainer
