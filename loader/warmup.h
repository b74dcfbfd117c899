// Brings a mapped file into memory before a request needs it, without getting in the way of
// requests.
#ifndef FMSERVE_LOADER_WARMUP_H_
#define FMSERVE_LOADER_WARMUP_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "model/catalogue_file.h"
#include "model/checkpoint.h"
#include "model/weight_file.h"

namespace fmserve::loader {

// One step of Warm: so short that whoever waits for the memory map's lock does not notice.
inline constexpr size_t kWarmupStepBytes = size_t{1} << 20;

// Maps every page of `bytes`, reading it from the disk where it must, with a checkpoint after each
// step. Returns the error of one.
absl::Status Warm(std::span<const std::byte> bytes, model::Checkpoint checkpoint);

// The same for everything that scoring, or folding, reads.
absl::Status Warm(const model::WeightFile& file, model::Checkpoint checkpoint);
absl::Status Warm(const model::CatalogueFile& file, model::Checkpoint checkpoint);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_WARMUP_H_
