// Deltas between weight files on a disk: made so that they are known to work, and applied so that
// the result is what it should be or nothing.
#ifndef FMSERVE_LOADER_DELTA_H_
#define FMSERVE_LOADER_DELTA_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/weight_delta.h"

namespace fmserve::loader {

// As in a manifest: 64 lower-case hexadecimal digits.
std::string HexOf(const model::Sha256Bytes& sha256);

struct DeltaSummary {
  model::DeltaCounts rows{};
  uint64_t size_bytes = 0;  // of the delta
  uint64_t base_bytes = 0;  // as the next, of whole files
  uint64_t result_bytes = 0;
  std::string sha256{};  // of the delta, as the next
  std::string base_sha256{};
  std::string result_sha256{};
};

// Writes what turns `base` into `result` to `out`, and applies it once to see that it does. Errors
// of WeightFile::Open and model::WriteDelta; Internal, and nothing is left, when it does not.
absl::StatusOr<DeltaSummary> MakeDelta(const std::string& base, const std::string& result,
                                       const std::string& out, model::Checkpoint checkpoint);

// Writes the result of `delta` for `base` to `out`, atomically. FailedPrecondition when the delta
// is of another base; DataLoss when the result is not the one that it was made for; InvalidArgument
// when that is larger than `max_bytes`.
absl::StatusOr<DeltaSummary> ApplyDelta(const std::string& base, const std::string& delta,
                                        const std::string& out, uint64_t max_bytes,
                                        model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_DELTA_H_
