// What the fuzz targets of files share: mutations that know where header and table lie, and that
// make checksums right most of the time, because a fuzzer does not guess its way past XXH3-128.
#ifndef FMSERVE_TESTS_FUZZ_FILE_MUTATOR_H_
#define FMSERVE_TESTS_FUZZ_FILE_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "model/file_envelope.h"
#include "tests/model/sample_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fmserve::model {

inline void Require(bool holds) {
  if (!holds) std::abort();
}

// A stretch of `bytes` that a mutation is confined to: the header, the table, or anything.
inline std::span<uint8_t> ChooseRegion(std::span<uint8_t> bytes, size_t sections_count,
                                       std::minstd_rand& random) {
  constexpr size_t kTableBegin = sizeof(FileEnvelope);
  const size_t table_end = kTableBegin + sections_count * sizeof(format::SectionEntry);
  if (bytes.size() < table_end || random() % 2 == 0) return bytes;
  switch (random() % 3) {
    case 0:
      return bytes.first(kTableBegin);
    case 1:
      return bytes.subspan(kTableBegin, table_end - kTableBegin);
    default:
      return bytes.subspan(table_end);
  }
}

// LLVMFuzzerCustomMutator for files with so many sections; needs no corpus, but begins with
// `seeds`.
inline size_t MutateFile(std::span<uint8_t> data, size_t max_size, unsigned int seed,
                         const std::vector<AlignedBytes>& seeds, size_t sections_count) {
  std::minstd_rand random(seed);
  size_t size = data.size();
  if (size < sizeof(FileEnvelope) || random() % 16 == 0) {
    const std::span<const std::byte> sample = seeds[random() % seeds.size()].span();
    if (sample.size() <= max_size) {
      std::memcpy(data.data(), sample.data(), sample.size());
      size = sample.size();
    }
  }
  if (random() % 8 == 0) {
    size = LLVMFuzzerMutate(data.data(), size, max_size);  // may grow or shrink
  } else {
    const std::span<uint8_t> region = ChooseRegion({data.data(), size}, sections_count, random);
    LLVMFuzzerMutate(region.data(), region.size(), region.size());
  }
  if (random() % 8 != 0) FixChecksums(std::as_writable_bytes(std::span(data.data(), size)));
  return size;
}

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_FUZZ_FILE_MUTATOR_H_
