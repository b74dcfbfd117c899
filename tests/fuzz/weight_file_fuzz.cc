// libFuzzer: whatever bytes come, WeightFile refuses them or everything that it hands out is safe
// to use.
//
// Needs no corpus: the mutator begins with the sample file of each quantization. It makes checksums
// right most of the time, and so does the target, because a fuzzer does not guess its way past
// XXH3-128.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "model/file_header.h"
#include "model/weight_file.h"
#include "model/weight_writer.h"
#include "tests/model/sample_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fmserve::model {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

const std::vector<AlignedBytes>& Seeds() {
  static const auto* const seeds = [] {
    auto* const files = new std::vector<AlignedBytes>;
    for (const auto quantization : {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
      files->push_back(SampleBytes(quantization));
    }
    return files;
  }();
  return *seeds;
}

// What a server does with a file that opened, and what must hold then.
void Use(const WeightFile& file) {
  std::vector<uint64_t> keys;
  std::vector<uint32_t> expected_slots;
  for (uint32_t slot = 0; slot < file.info().slots_count; ++slot) {
    uint64_t key;
    std::memcpy(&key, file.rows().row(slot), sizeof(key));
    keys.push_back(key);
    expected_slots.push_back(key == format::kEmptyKey ? kNoSlot : slot);
    const std::optional<FeatureName> name = file.name(slot);
    Require(!name.has_value() || (key != format::kEmptyKey && name->field < file.schema().size()));
  }
  for (const uint64_t key : {uint64_t{1}, ~uint64_t{0}}) {
    keys.push_back(key);
    expected_slots.push_back(file.dictionary().Find(key));
  }
  std::vector<uint32_t> slots(keys.size());
  file.dictionary().FindAll(keys, slots);
  Require(slots == expected_slots);
  for (const Golden& golden : file.goldens()) {
    if (const auto score = ScoreCells(file, golden.cells); score.ok())
      (void)Predict(file.info(), *score);
  }
}

void OpenAndUse(std::span<const std::byte> bytes) {
  const auto file = WeightFile::FromBytes(bytes);
  if (file.ok()) Use(**file);
}

// A stretch of `size` bytes that a mutation is confined to: the header, the table, or anything.
std::span<uint8_t> ChooseRegion(std::span<uint8_t> bytes, std::minstd_rand& random) {
  constexpr size_t kTableBegin = sizeof(format::FileHeader);
  constexpr size_t kTableEnd = kTableBegin + 6 * sizeof(format::SectionEntry);
  if (bytes.size() < kTableEnd || random() % 2 == 0) return bytes;
  switch (random() % 3) {
    case 0:
      return bytes.first(kTableBegin);
    case 1:
      return bytes.subspan(kTableBegin, kTableEnd - kTableBegin);
    default:
      return bytes.subspan(kTableEnd);
  }
}

}  // namespace
}  // namespace fmserve::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fmserve::model;  // NOLINT(google-build-using-namespace): the entry point must be
                                   // global
  AlignedBytes bytes(std::as_bytes(std::span(data, size)));
  OpenAndUse(bytes.span());
  FixChecksums(bytes.span());
  OpenAndUse(bytes.span());
  if (StampHeader(bytes.span(), "stamped", 1).ok()) OpenAndUse(bytes.span());
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace fmserve::model;  // NOLINT(google-build-using-namespace): the entry point must be
                                   // global
  std::minstd_rand random(seed);
  if (size < sizeof(format::FileHeader) || random() % 16 == 0) {
    const std::span<const std::byte> sample = Seeds()[random() % Seeds().size()].span();
    if (sample.size() <= max_size) {
      std::memcpy(data, sample.data(), sample.size());
      size = sample.size();
    }
  }
  if (random() % 8 == 0) {
    size = LLVMFuzzerMutate(data, size, max_size);  // may grow or shrink
  } else {
    const std::span<uint8_t> region = ChooseRegion({data, size}, random);
    LLVMFuzzerMutate(region.data(), region.size(), region.size());
  }
  if (random() % 8 != 0) FixChecksums(std::as_writable_bytes(std::span(data, size)));
  return size;
}
