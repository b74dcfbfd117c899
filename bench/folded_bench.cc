// Known items: scores of 1,000 random items of a table of 1 M folded ones (Scorer::Fold), f32,
// k = 64, for one context: bias + <vector, context sums> each. By the size of the pages under the
// table and how many items ahead a vector is prefetched (0: not at all). One iteration is one
// request; it may take 45 us.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <vector>

#include "model/kernels/kernels.h"

namespace fmserve::model {
namespace {

constexpr uint32_t kFactors = 64;
constexpr size_t kItems = 1'000'000;
constexpr size_t kItemsPerRequest = 1000;
constexpr size_t kRequests = 2000;  // enough to visit most items before one comes again

struct FoldedTable {
  const float* vectors;  // kItems x PaddedK(kFactors)
  std::vector<float> biases;

  const float* vector(uint32_t item) const { return vectors + item * PaddedK(kFactors); }
};

FoldedTable MakeTable(bool huge_pages) {
  constexpr size_t kBytes = kItems * PaddedK(kFactors) * sizeof(float);
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, kBytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
  auto* vectors = static_cast<float*>(memory);
  for (size_t i = 0; i < kItems * PaddedK(kFactors); ++i) vectors[i] = uniform(random);
  FoldedTable table{vectors, std::vector<float>(kItems)};
  for (float& bias : table.biases) bias = uniform(random);
  return table;
}

// Lives as long as the process.
const FoldedTable& Table(bool huge_pages) {
  static const FoldedTable tables[] = {MakeTable(false), MakeTable(true)};
  return tables[huge_pages ? 1 : 0];
}

void Prefetch(const FoldedTable& table, uint32_t item) {
  __builtin_prefetch(&table.biases[item]);
  for (size_t i = 0; i < PaddedK(kFactors); i += 16) __builtin_prefetch(table.vector(item) + i);
}

void ScoreKnownItems(benchmark::State& state) {
  const FoldedTable& table = Table(state.range(0) == 2048);
  const auto distance = static_cast<size_t>(state.range(1));
  const absl::StatusOr<const KernelTable*> kernels = DefaultKernels();
  if (!kernels.ok()) return state.SkipWithError(kernels.status().ToString().c_str());
  const DotFn dot = (*kernels)->dot;
  std::mt19937 random(2);
  std::vector<uint32_t> items(kRequests * kItemsPerRequest);
  for (uint32_t& item : items) item = static_cast<uint32_t>(random() % kItems);
  alignas(64) float sums[PaddedK(kFactors)];
  for (float& sum : sums) sum = 0.5F;
  std::vector<float> scores(kItemsPerRequest);
  size_t next = 0;
  for (auto _ : state) {
    const auto request =
        std::span(items).subspan(next++ % kRequests * kItemsPerRequest, kItemsPerRequest);
    for (size_t i = 0; i < std::min(distance, request.size()); ++i) Prefetch(table, request[i]);
    for (size_t i = 0; i < request.size(); ++i) {
      if (distance > 0 && i + distance < request.size()) Prefetch(table, request[i + distance]);
      const uint32_t item = request[i];
      scores[i] =
          static_cast<float>(table.biases[item] + dot(table.vector(item), sums, PaddedK(kFactors)));
    }
    benchmark::DoNotOptimize(scores.data());
    benchmark::ClobberMemory();
  }
}

BENCHMARK(ScoreKnownItems)
    ->ArgNames({"page_kb", "distance"})
    ->ArgsProduct({{4, 2048}, {0, 2, 4, 8, 16, 32}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fmserve::model
