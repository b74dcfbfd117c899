// libFuzzer: whatever bytes come, CatalogueFile refuses them or everything that it hands out is
// safe to fold, to filter and to scan.
//
// Needs no corpus: the mutator begins with the sample of each type of id. It makes checksums right
// most of the time, and so does the target, because a fuzzer does not guess its way past XXH3-128.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "model/file_envelope.h"
#include "model/folded_catalogue.h"
#include "model/item_filter.h"
#include "tests/model/sample_catalogue.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fmserve::model {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

const std::vector<AlignedBytes>& CatalogueSeeds() {
  static const auto* const seeds = new std::vector<AlignedBytes>{SampleCatalogue(IdType::kInteger),
                                                                 SampleCatalogue(IdType::kString)};
  return *seeds;
}

const std::shared_ptr<const WeightFile>& Weights() {
  static const auto* const bytes = new AlignedBytes(SampleBytes(Quantization::kF16));
  static const auto* const file =
      new std::shared_ptr<const WeightFile>(WeightFile::FromBytes(bytes->span()).value());
  return *file;
}

void UseIds(const CatalogueFile& file) {
  for (uint32_t item = 0; item < file.size(); ++item) {
    const auto found = file.ids().type() == IdType::kInteger
                           ? file.ids().Find(file.ids().integer(item))
                           : file.ids().Find(file.ids().text(item));
    Require(found == item);
  }
}

// Every value's filter lets exactly the items through that have it.
void UseFilters(const FoldedCatalogue& folded, const Scratch& context) {
  static auto* const memory = new TopKMemory;
  ItemFilter filter;
  for (const Attribute& attribute : folded.file().attributes()) {
    for (uint32_t value = 0; value < attribute.values.size(); ++value) {
      uint32_t count = 0;
      for (uint32_t item = 0; item < folded.file().size(); ++item) {
        for (const uint32_t of_item : attribute.of(item)) count += of_item == value ? 1 : 0;
      }
      filter.Begin(folded);
      Require(filter.AttributeIn(attribute.name, {&attribute.values[value], 1}).ok());
      Require(filter.End().ok() && filter.CountItems() == count);
      const TopK top = folded.Best(
          context, kMaxTopK, &filter, [] { return true; }, *memory);
      Require(top.items.size() == std::min<size_t>(count, kMaxTopK));
    }
  }
}

void OpenAndUse(std::span<const std::byte> bytes) {
  const auto file = CatalogueFile::FromBytes(bytes);
  if (!file.ok()) return;
  UseIds(**file);
  const KernelTable& kernels = *SupportedKernels().back();
  const auto folded = FoldedCatalogue::Fold(Weights(), *file, kernels);
  if (!folded.ok()) return;
  Scratch context;
  Scorer(*Weights(), kernels).ScoreContext({}, context);
  UseFilters(**folded, context);
}

// A stretch of bytes that a mutation is confined to: the header, the table, or anything.
std::span<uint8_t> ChooseRegion(std::span<uint8_t> bytes, std::minstd_rand& random) {
  constexpr size_t kTableEnd = sizeof(FileEnvelope) + 7 * sizeof(format::SectionEntry);
  if (bytes.size() < kTableEnd || random() % 2 == 0) return bytes;
  switch (random() % 3) {
    case 0:
      return bytes.first(sizeof(FileEnvelope));
    case 1:
      return bytes.first(kTableEnd).subspan(sizeof(FileEnvelope));
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
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace fmserve::model;  // NOLINT(google-build-using-namespace): the entry point must be
                                   // global
  std::minstd_rand random(seed);
  if (size < sizeof(FileEnvelope) || random() % 16 == 0) {
    const std::span<const std::byte> sample =
        CatalogueSeeds()[random() % CatalogueSeeds().size()].span();
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
