// What turns one weight file into another, byte by byte (DELTA_FORMAT.md): rows that changed, by
// key, and the sections that differ.
#ifndef FMSERVE_MODEL_WEIGHT_DELTA_H_
#define FMSERVE_MODEL_WEIGHT_DELTA_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/delta_format.h"
#include "model/section_table.h"
#include "model/weight_file.h"

namespace fmserve::model {

using Sha256Bytes = std::array<uint8_t, format::kSha256Bytes>;

struct DeltaInfo {
  std::string model_name;  // of the result, as the next
  uint64_t version = 0;
  uint64_t base_size = 0;
  uint64_t result_size = 0;
  Sha256Bytes base_sha256{};
  Sha256Bytes result_sha256{};
};

// How many rows of the result differ from the base's.
struct DeltaCounts {
  uint64_t changed = 0;
  uint64_t added = 0;
  uint64_t removed = 0;
};

// Writes the delta atomically. FailedPrecondition when the rows are of another k or quantization:
// nothing is to be gained then. Errors of AtomicFile and of `checkpoint`.
absl::StatusOr<DeltaCounts> WriteDelta(const WeightFile& base, const Sha256Bytes& base_sha256,
                                       const WeightFile& result, const Sha256Bytes& result_sha256,
                                       const std::string& path, Checkpoint checkpoint);

// A delta that has been checked as far as it can be without its base. A view of bytes that the
// caller keeps alive and unchanged; immutable.
class DeltaFile {
 public:
  // DataLoss, InvalidArgument (not a delta), Unimplemented (another major version).
  static absl::StatusOr<DeltaFile> FromBytes(std::span<const std::byte> bytes,
                                             Checkpoint checkpoint);

  const DeltaInfo& info() const { return info_; }

  using Sink = absl::FunctionRef<absl::Status(std::span<const std::byte>)>;

  // Gives the bytes of the result to `sink`, in order. The caller compares their SHA-256 with
  // info().result_sha256: only that makes them what they should be. DataLoss when the delta is not
  // of this base or lies; InvalidArgument when the result has more than `max_bytes`; errors of
  // `sink` and `checkpoint`. Memory: see DELTA_FORMAT.md.
  absl::Status Apply(const WeightFile& base, uint64_t max_bytes, Sink sink,
                     Checkpoint checkpoint) const;

 private:
  DeltaInfo info_;
  std::vector<Section> sections_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_WEIGHT_DELTA_H_
