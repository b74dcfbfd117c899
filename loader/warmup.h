// Brings a mapped weight file into memory before a request needs it, without getting in the way of
// requests.
#ifndef FMSERVE_LOADER_WARMUP_H_
#define FMSERVE_LOADER_WARMUP_H_

#include <cstddef>
#include <span>
#include <stop_token>

#include "model/weight_file.h"

namespace fmserve::loader {

// One step of Warm: a huge page, so short that whoever waits for the memory map's lock does not
// notice.
inline constexpr size_t kWarmupStepBytes = size_t{2} << 20;

// Maps every page of `bytes`, reading it from the disk where it must, in steps between which other
// threads run. Returns early when `stop` asks for it.
void Warm(std::span<const std::byte> bytes, const std::stop_token& stop);

// The same for everything that scoring reads.
void Warm(const model::WeightFile& file, const std::stop_token& stop);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_WARMUP_H_
