// libFuzzer: whatever bytes come as a delta, DeltaFile refuses them or makes a result of the size
// that it announced, within the limit.
//
// Needs no corpus: the mutator begins with deltas between small models, and makes checksums right
// most of the time, as the target does.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/weight_delta.h"
#include "tests/fuzz/file_mutator.h"
#include "tests/model/sample_delta.h"

namespace fmserve::model {
namespace {

constexpr uint64_t kMaxResultBytes = 1 << 20;

const std::shared_ptr<const WeightFile>& DeltaBase() {
  static const auto* const base = new std::shared_ptr<const WeightFile>(OpenModel(ModelOfRows(30)));
  return *base;
}

const std::vector<AlignedBytes>& DeltaSeeds() {
  static const auto* const seeds = [] {
    auto* const deltas = new std::vector<AlignedBytes>;
    DeltaModel changed = ModelOfRows(30);
    changed.rows[3].seed = 1;
    changed.rows[4].count = 40;
    deltas->push_back(*MakeDelta(*DeltaBase(), *OpenModel(changed)));
    DeltaModel moved = changed;
    moved.rows.erase(5);
    moved.rows[1000] = {.seed = 1, .count = 2, .name = "new"};
    deltas->push_back(*MakeDelta(*DeltaBase(), *OpenModel(moved)));
    return deltas;
  }();
  return *seeds;
}

void Apply(std::span<const std::byte> bytes) {
  const auto delta = DeltaFile::FromBytes(bytes, NeverStop);
  if (!delta.ok()) return;
  uint64_t given_bytes = 0;
  const absl::Status applied = delta->Apply(
      *DeltaBase(), kMaxResultBytes,
      [&](std::span<const std::byte> part) {
        given_bytes += part.size();
        Require(given_bytes <= kMaxResultBytes);
        return absl::OkStatus();
      },
      NeverStop);
  Require(!applied.ok() || given_bytes == delta->info().result_size);
}

}  // namespace
}  // namespace fmserve::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fmserve::model;  // NOLINT(google-build-using-namespace): the entry point must be
                                   // global
  AlignedBytes bytes(std::as_bytes(std::span(data, size)));
  Apply(bytes.span());
  FixChecksums(bytes.span());
  Apply(bytes.span());
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace fmserve::model;  // NOLINT(google-build-using-namespace): the entry point must be
                                   // global
  return MutateFile({data, size}, max_size, seed, DeltaSeeds(), /*sections_count=*/10);
}
