// libFuzzer: whatever bytes come, CatalogueFile refuses them or everything that it hands out is
// safe to fold, to filter and to scan.
//
// Needs no corpus: the mutator begins with the sample of each type of id. It makes checksums right
// most of the time, and so does the target, because a fuzzer does not guess its way past XXH3-128.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/folded_catalogue.h"
#include "model/item_filter.h"
#include "tests/fuzz/file_mutator.h"
#include "tests/model/sample_catalogue.h"

namespace fmserve::model {
namespace {

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
  return MutateFile({data, size}, max_size, seed, CatalogueSeeds(), /*sections_count=*/7);
}
