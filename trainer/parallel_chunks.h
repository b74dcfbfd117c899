// The chunks of a shard, parsed on several threads and taken in their order: what comes out does
// not depend on the number of threads.
#ifndef FMSERVE_TRAINER_PARALLEL_CHUNKS_H_
#define FMSERVE_TRAINER_PARALLEL_CHUNKS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/chunk_stream.h"
#include "trainer/row_shard.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// Calls parse(Chunk), which returns a StatusOr<Parsed>, on `threads` threads (0: as many as there
// are processors; 1: on the caller's own), and take(Parsed) on the caller's. Holds no more than
// threads + 1 chunks. Stops at the first error in their order.
template <typename Parse, typename Take>
absl::Status ParallelChunks(const RowShard& shard, const TrainingSchema& schema, uint32_t threads,
                            Parse parse, Take take) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  // A thread of its own for each chunk costs 1 % of its work.
  const std::launch policy = threads == 1 ? std::launch::deferred : std::launch::async;
  const size_t most_pending = threads == 1 ? 1 : threads + 1;
  ShardChunks chunks(shard, schema);
  std::deque<decltype(std::async(policy, parse, Chunk()))> pending;
  absl::Status ended;  // what the shard ends with
  for (bool more = true; more || !pending.empty();) {
    while (more && pending.size() < most_pending) {
      Chunk chunk;
      const absl::StatusOr<bool> found = chunks.Next(&chunk);
      if (!found.ok()) ended = found.status();
      more = found.ok() && *found;
      if (more) pending.push_back(std::async(policy, parse, std::move(chunk)));
    }
    if (pending.empty()) break;
    auto parsed = pending.front().get();
    pending.pop_front();
    if (!parsed.ok()) return parsed.status();
    take(*std::move(parsed));
  }
  return ended;
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PARALLEL_CHUNKS_H_
