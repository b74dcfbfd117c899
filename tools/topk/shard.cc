#include "tools/topk/shard.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::tools {
namespace {

std::optional<uint32_t> ParseCount(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > kMaxShards)
    return std::nullopt;
  return number;
}

// InvalidArgument names a variable that is missing or no number.
absl::StatusOr<uint32_t> ReadNumber(const char* name, ReadVariable variable) {
  const char* text = variable(name);
  if (text == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is not set; name the shard with --shard"));
  }
  if (const std::optional<uint32_t> number = ParseCount(text)) return *number;
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", model::Quote(text),
                                                 ", not a number from 0 to ", kMaxShards,
                                                 "; name the shard with --shard"));
}

absl::StatusOr<Shard> ShardOfSlurm(std::optional<uint32_t> shards, ReadVariable variable) {
  const auto id = ReadNumber("SLURM_ARRAY_TASK_ID", variable);
  if (!id.ok()) return id.status();
  const auto first = ReadNumber("SLURM_ARRAY_TASK_MIN", variable);
  if (!first.ok()) return first.status();
  const auto count = ReadNumber("SLURM_ARRAY_TASK_COUNT", variable);
  if (!count.ok()) return count.status();
  absl::StatusOr<uint32_t> step = 1;
  if (variable("SLURM_ARRAY_TASK_STEP") != nullptr)
    step = ReadNumber("SLURM_ARRAY_TASK_STEP", variable);
  if (!step.ok()) return step.status();
  const auto last = ReadNumber("SLURM_ARRAY_TASK_MAX", variable);
  if (!last.ok()) return last.status();
  const bool regular = *step > 0 && *count > 0 && *id >= *first && *id <= *last &&
                       (*id - *first) % *step == 0 &&
                       *last - *first == uint64_t{*step} * (*count - 1);
  if (!regular) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", *id, " of the Slurm array from ", *first, " to ", *last, " with ",
                     *count, " tasks: an array with gaps; name the shard with --shard"));
  }
  if (shards && *shards != *count) {
    return absl::InvalidArgumentError(absl::StrCat("the Slurm array has ", *count,
                                                   " tasks, --shards says ", *shards,
                                                   "; to do one task again, name it with --shard"));
  }
  return Shard{.index = (*id - *first) / *step + 1, .count = *count};
}

absl::StatusOr<Shard> ShardOfKubernetes(std::optional<uint32_t> shards, ReadVariable variable) {
  const auto index = ReadNumber("JOB_COMPLETION_INDEX", variable);
  if (!index.ok()) return index.status();
  if (!shards) {
    return absl::InvalidArgumentError(
        "JOB_COMPLETION_INDEX is set, but nothing tells how many shards there are; name the "
        "completions of the job with --shards");
  }
  if (*index < *shards) return Shard{.index = *index + 1, .count = *shards};
  return absl::InvalidArgumentError(
      absl::StrCat("JOB_COMPLETION_INDEX is ", *index, ", beyond the ", *shards, " of --shards"));
}

}  // namespace

absl::StatusOr<Shard> ParseShard(std::string_view text) {
  std::string_view count_text = text;
  const std::optional<uint32_t> index = ParseCount(model::TakeUntil('/', count_text));
  const std::optional<uint32_t> count = ParseCount(count_text);
  if (index && count && *index >= 1 && *index <= *count)
    return Shard{.index = *index, .count = *count};
  return absl::InvalidArgumentError(absl::StrCat("the shard ", model::Quote(text),
                                                 " is not I/N with 1 <= I <= N <= ", kMaxShards));
}

absl::StatusOr<std::optional<Shard>> ChooseShard(std::string_view flag,
                                                 std::optional<uint32_t> shards,
                                                 ReadVariable variable) {
  absl::StatusOr<Shard> shard = Shard{};
  if (!flag.empty()) {
    shard = ParseShard(flag);
  } else if (variable("SLURM_ARRAY_TASK_ID") != nullptr) {
    shard = ShardOfSlurm(shards, variable);
  } else if (variable("JOB_COMPLETION_INDEX") != nullptr) {
    shard = ShardOfKubernetes(shards, variable);
  } else if (shards) {
    return absl::InvalidArgumentError(
        "--shards is given, but neither --shard nor a Slurm array nor an indexed job of Kubernetes "
        "tells which of them this is");
  } else {
    return std::optional<Shard>();
  }
  if (!shard.ok()) return shard.status();
  return std::optional<Shard>(*shard);
}

RowRange RowsOf(const Shard& shard, uint64_t rows_count) {
  const uint64_t whole = rows_count / shard.count;
  const uint64_t rest = rows_count % shard.count;
  const auto begin_of = [&](uint64_t place) { return whole * place + rest * place / shard.count; };
  return {.begin = begin_of(shard.index - 1), .end = begin_of(shard.index)};
}

std::string PathOf(const std::string& path, const std::optional<Shard>& shard) {
  return shard ? absl::StrCat(path, ".", shard->index, "-of-", shard->count) : path;
}

}  // namespace fmserve::tools
