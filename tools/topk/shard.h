// Which rows of a table one of several processes takes.
#ifndef FMSERVE_TOOLS_TOPK_SHARD_H_
#define FMSERVE_TOOLS_TOPK_SHARD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace fmserve::tools {

inline constexpr uint32_t kMaxShards = 1'000'000;

struct Shard {
  uint32_t index = 1;  // from 1 to count
  uint32_t count = 1;

  bool operator==(const Shard&) const = default;
};

// "3/16". InvalidArgument when it is not 1 <= index <= count <= kMaxShards.
absl::StatusOr<Shard> ParseShard(std::string_view text);

// The value of a variable, or null; getenv.
using ReadVariable = absl::FunctionRef<const char*(const char* name)>;

// The first of these that is there: `flag` ("" for none); the place of this task in a Slurm job
// array (SLURM_ARRAY_TASK_ID); its index in an indexed job of Kubernetes (JOB_COMPLETION_INDEX),
// which needs `shards`, because Kubernetes does not tell it. `shards`, when given, must be the
// number of tasks of the array. Nothing when there is none: one process does all.
// InvalidArgument when they do not tell a shard: `shards` alone, an array with gaps …
absl::StatusOr<std::optional<Shard>> ChooseShard(std::string_view flag,
                                                 std::optional<uint32_t> shards,
                                                 ReadVariable variable);

// Rows [begin, end), from 0. Shards take one range after the other, so that their results stand in
// the order of the rows when they are put together; no two differ by more than one row.
struct RowRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
RowRange RowsOf(const Shard& shard, uint64_t rows_count);

// "<path>.3-of-16"; `path` without a shard.
std::string PathOf(const std::string& path, const std::optional<Shard>& shard);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TOPK_SHARD_H_
