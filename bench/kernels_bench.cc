// Nanoseconds per feature of accumulate, by kernel, encoding and k.
//
//   in_cache   256 rows, lists of 10 features that score against sums, as candidates do
//   in_memory  the same from a table of 1 GiB, rows prefetched a chunk of 64 lists ahead, as the
//   scorer does
//   accumulate_fields   as in_cache, of field-weighted models, by rank
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "model/kernels/kernels.h"
#include "model/quantization.h"

namespace fmserve::model {
namespace {

constexpr size_t kFeaturesPerList = 10;
constexpr size_t kListsPerChunk = 64;
constexpr size_t kFeaturesPerChunk = kListsPerChunk * kFeaturesPerList;
constexpr size_t kCacheRows = 256;
constexpr size_t kMemoryBytes = size_t{1} << 30;

// Reserved once, on 2 MB pages where the system has them.
std::byte* TableMemory() {
  static std::byte* const memory = [] {
    void* mapping =
        mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(mapping, kMemoryBytes, MADV_HUGEPAGE);
    return static_cast<std::byte*>(mapping);
  }();
  return memory;
}

// All rows of a table are copies of a few random ones: what they hold does not change the time.
RowsView MakeTable(Quantization quantization, uint32_t k, uint64_t rows_count) {
  const uint32_t stride_bytes = RowStrideBytes(quantization, k);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 0.1F);
  std::vector<std::byte> patterns(64 * stride_bytes);
  std::vector<float> v(k);
  for (size_t row = 0; row < 64; ++row) {
    for (float& value : v) value = normal(random);
    const std::span bytes(patterns.data() + row * stride_bytes, stride_bytes);
    if (!EncodeRow(quantization, row + 1, normal(random), v, bytes).ok()) std::abort();
  }
  for (uint64_t row = 0; row < rows_count; ++row) {
    std::memcpy(TableMemory() + row * stride_bytes, patterns.data() + row % 64 * stride_bytes,
                stride_bytes);
  }
  return {TableMemory(), rows_count, stride_bytes, k, quantization};
}

void Accumulate(benchmark::State& state, const KernelTable& kernels, Quantization quantization,
                uint32_t k, bool in_memory) {
  const uint64_t rows_count =
      in_memory ? kMemoryBytes / RowStrideBytes(quantization, k) : kCacheRows;
  const RowsView rows = MakeTable(quantization, k, rows_count);
  const AccumulateFn accumulate = kernels.accumulate(quantization, k);
  std::mt19937_64 random(2);
  std::vector<uint32_t> slots(in_memory ? size_t{1} << 20 : kFeaturesPerChunk);
  for (uint32_t& slot : slots) slot = static_cast<uint32_t>(random() % rows_count);
  const std::vector<float> xs(kFeaturesPerChunk, 1.0F);
  alignas(64) float sums[kMaxK] = {};
  size_t first = 0;
  for (auto _ : state) {
    const uint32_t* chunk = slots.data() + first;
    first += kFeaturesPerChunk;
    if (first + kFeaturesPerChunk > slots.size()) first = 0;
    if (in_memory) {
      for (size_t i = 0; i < kFeaturesPerChunk; ++i) {
        for (uint32_t line = 0; line < rows.stride_bytes; line += 64) {
          __builtin_prefetch(rows.row(chunk[i]) + line);
        }
      }
    }
    double total = 0.0;
    for (size_t list = 0; list < kListsPerChunk; ++list) {
      total += accumulate(rows, chunk + list * kFeaturesPerList, xs.data(), kFeaturesPerList, sums,
                          nullptr);
    }
    benchmark::DoNotOptimize(total);
  }
  state.counters["per_feature"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kFeaturesPerChunk),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void AccumulateFields(benchmark::State& state, const KernelTable& kernels,
                      Quantization quantization, uint32_t k, uint32_t rank) {
  constexpr size_t kFields = 20;
  const RowsView rows = MakeTable(quantization, k, kCacheRows);
  const AccumulateFieldsFn accumulate = kernels.accumulate_fields(quantization);
  const std::vector<float> factors(kFields * 2 * rank, 0.5F);
  const FieldFactorsView matrix{.factors = factors.data(), .rank = rank};
  std::mt19937_64 random(2);
  std::vector<uint32_t> slots(kFeaturesPerChunk);
  std::vector<uint8_t> fields(kFeaturesPerChunk);
  for (size_t i = 0; i < kFeaturesPerChunk; ++i) {
    slots[i] = static_cast<uint32_t>(random() % kCacheRows);
    fields[i] = static_cast<uint8_t>(i % kFields);
  }
  const std::vector<float> xs(kFeaturesPerChunk, 1.0F);
  alignas(64) float sums[2 * kMaxK] = {};
  for (auto _ : state) {
    double total = 0.0;
    for (size_t first = 0; first < kFeaturesPerChunk; first += kFeaturesPerList) {
      total += accumulate(rows, matrix, slots.data() + first, fields.data() + first, xs.data(),
                          kFeaturesPerList, sums, nullptr);
    }
    benchmark::DoNotOptimize(total);
  }
  state.counters["per_feature"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kFeaturesPerChunk),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

const bool fields_registered = [] {
  for (const KernelTable* kernels : SupportedKernels()) {
    for (const auto quantization : {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
      for (const uint32_t k : {8, 16}) {
        for (const uint32_t rank : {1, 2, 3, 4, 6, 8, 16}) {
          const std::string name = "accumulate_fields/" + std::string(kernels->name) + "/" +
                                   std::string(Name(quantization)) + "/k:" + std::to_string(k) +
                                   "/rank:" + std::to_string(rank);
          benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
            AccumulateFields(state, *kernels, quantization, k, rank);
          });
        }
      }
    }
  }
  return true;
}();

const bool registered = [] {
  for (const bool in_memory : {false, true}) {
    for (const KernelTable* kernels : SupportedKernels()) {
      for (const auto quantization :
           {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
        for (const uint32_t k : {8, 16, 20, 32, 64, 128}) {
          const std::string name = "accumulate/" +
                                   std::string(in_memory ? "in_memory" : "in_cache") + "/" +
                                   std::string(kernels->name) + "/" +
                                   std::string(Name(quantization)) + "/k:" + std::to_string(k);
          benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
            Accumulate(state, *kernels, quantization, k, in_memory);
          });
        }
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace fmserve::model
