// libFuzzer: whatever bytes come, WeightFile refuses them or everything that it hands out is safe
// to use.
//
// Needs no corpus: the mutator begins with the sample files of each quantization. It makes
// checksums right most of the time, and so does the target, because a fuzzer does not guess its way
// past XXH3-128.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "model/weight_file.h"
#include "model/weight_writer.h"
#include "tests/fuzz/file_mutator.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

const std::vector<AlignedBytes>& Seeds() {
  static const auto* const seeds = [] {
    auto* const files = new std::vector<AlignedBytes>;
    for (const auto quantization : {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
      files->push_back(SampleBytes(quantization));
      files->push_back(SampleBytes(quantization, SampleKind::kFieldWeighted));
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
  return MutateFile({data, size}, max_size, seed, Seeds(), /*sections_count=*/7);
}
