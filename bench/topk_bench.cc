// The exact best 100 of a catalogue on one core: 1 M and 5 M items of 64 factors, with Gaussian
// factors or with the skewed norms that factorization machines learn, with filters, and the speed
// at which this machine reads memory in the same run.
//
// FMSERVE_KERNEL forces an instruction set.
#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/random_catalogue.h"
#include "model/folded_catalogue.h"
#include "model/item_filter.h"

namespace fmserve::model {
namespace {

constexpr size_t kBest = 100;

// What the scan reads of every item: half of each factor, and its part of the block's head. What it
// reads of few, their low halves and their features, is not counted.
constexpr int64_t kScannedBytes = kItemFactors / 2 + sizeof(ScanBlockHead) / kScanBlockItems;

const FoldedCatalogue& Folded(int64_t items_count, bool skewed) {
  static std::map<std::pair<int64_t, bool>, std::shared_ptr<const FoldedCatalogue>> made;
  auto& folded = made[{items_count, skewed}];
  if (folded == nullptr) folded = MakeRandomCatalogue(items_count, skewed);
  return *folded;
}

// A request per iteration, each of another user.
class Requests {
 public:
  explicit Requests(const FoldedCatalogue& folded)
      : folded_(folded), contexts_(ScoreContexts(folded)) {}

  void Next(const ItemFilter* filter, size_t k) {
    const Scratch& context = *contexts_[next_++ % contexts_.size()];
    const TopK top = folded_.Best(
        context, k, filter, [] { return true; }, memory_);
    benchmark::DoNotOptimize(top.items.data());
  }

 private:
  const FoldedCatalogue& folded_;
  std::vector<std::unique_ptr<Scratch>> contexts_;
  TopKMemory memory_;
  size_t next_ = 0;
};

void CountBytes(benchmark::State& state, double bytes) {
  state.counters["bytes_per_second"] =
      benchmark::Counter(bytes * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate, benchmark::Counter::OneK::kIs1000);
}

uint64_t ReadLines(const std::byte* memory, size_t bytes) {
  const auto* const lanes = reinterpret_cast<const __m128i*>(memory);
  __m128i sums[4] = {};
  for (size_t i = 0; i < bytes / sizeof(__m128i); i += 4) {
    _mm_prefetch(lanes + i + kScanPrefetchBytes / sizeof(__m128i), _MM_HINT_T1);
    for (size_t lane = 0; lane < 4; ++lane)
      sums[lane] = _mm_xor_si128(sums[lane], _mm_load_si128(lanes + i + lane));
  }
  const __m128i sum =
      _mm_xor_si128(_mm_xor_si128(sums[0], sums[1]), _mm_xor_si128(sums[2], sums[3]));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(sum));
}

__attribute__((target("avx512f"))) uint64_t ReadWideLines(const std::byte* memory, size_t bytes) {
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  for (size_t i = 0; i < bytes; i += 128) {
    _mm_prefetch(memory + i + kScanPrefetchBytes, _MM_HINT_T1);
    _mm_prefetch(memory + i + kScanPrefetchBytes + 64, _MM_HINT_T1);
    even = _mm512_xor_si512(even, _mm512_load_si512(memory + i));
    odd = _mm512_xor_si512(odd, _mm512_load_si512(memory + i + 64));
  }
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, _mm512_xor_si512(even, odd));
  return words[0];
}

// What one core reads of memory, strictly ascending, with the widest loads it has and the same
// prefetches as the scan: as many bytes as the scan reads of every one of so many items.
void ReadMemory(benchmark::State& state) {
  const size_t bytes = static_cast<size_t>(state.range(0) * kScannedBytes) / 4096 * 4096;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, bytes, MADV_HUGEPAGE);
  auto* const words = static_cast<uint64_t*>(memory);
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) words[i] = i;
  const auto read = __builtin_cpu_supports("avx512f") ? ReadWideLines : ReadLines;
  for (auto _ : state) benchmark::DoNotOptimize(read(static_cast<const std::byte*>(memory), bytes));
  CountBytes(state, static_cast<double>(bytes));
  munmap(memory, bytes);
}

void BestOf(benchmark::State& state, bool skewed) {
  const FoldedCatalogue& folded = Folded(state.range(0), skewed);
  Requests requests(folded);
  requests.Next(nullptr, kBest);
  for (auto _ : state) requests.Next(nullptr, static_cast<size_t>(state.range(1)));
  CountBytes(state, static_cast<double>(state.range(0) * kScannedBytes));
}

void BestOfGaussian(benchmark::State& state) { BestOf(state, false); }
void BestOfSkewed(benchmark::State& state) { BestOf(state, true); }

// Of other numbers of factors.
void BestOfFactors(benchmark::State& state) {
  const auto folded = MakeRandomCatalogue(state.range(0), false, ItemVectors::kF32,
                                          static_cast<uint32_t>(state.range(1)));
  Requests requests(*folded);
  requests.Next(nullptr, kBest);
  for (auto _ : state) requests.Next(nullptr, kBest);
}

// One item in `share` passes the filter, which is compiled for each request.
void BestOfFiltered(benchmark::State& state) {
  const FoldedCatalogue& folded = Folded(state.range(0), false);
  Requests requests(folded);
  const std::string value = std::to_string(state.range(1));
  const std::string_view values[] = {value};
  ItemFilter filter;
  for (auto _ : state) {
    filter.Begin(folded);
    OrDie(filter.AttributeIn("share", values));
    OrDie(filter.End());
    requests.Next(&filter, kBest);
  }
}

// Several users per call, who share a pass over the items.
void BestOfBatch(benchmark::State& state) {
  const FoldedCatalogue& folded = Folded(state.range(0), false);
  const auto contexts = ScoreContexts(folded);
  const auto batch = static_cast<size_t>(state.range(1));
  std::vector<ContextQuery> queries(batch);
  std::vector<TopKMemory> memories(batch);
  std::vector<TopK> tops(batch);
  size_t next = 0;
  for (auto _ : state) {
    for (ContextQuery& query : queries)
      query = {.context = contexts[next++ % contexts.size()].get(), .k = kBest, .filter = nullptr};
    folded.BestOfEach(
        queries, [](size_t) { return true; }, memories, tops);
    benchmark::DoNotOptimize(tops.data());
  }
  state.counters["seconds_per_context"] =
      benchmark::Counter(static_cast<double>(batch) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

constexpr int64_t kMillion = 1'000'000;

BENCHMARK(ReadMemory)
    ->ArgName("items")
    ->Arg(kMillion)
    ->Arg(5 * kMillion)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BestOfGaussian)
    ->ArgNames({"items", "K"})
    ->ArgsProduct({{kMillion, 5 * kMillion}, {1, 10, 100, 1000}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BestOfSkewed)
    ->ArgNames({"items", "K"})
    ->ArgsProduct({{kMillion, 5 * kMillion}, {1, 10, 100, 1000}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BestOfFactors)
    ->ArgNames({"items", "factors"})
    ->ArgsProduct({{kMillion}, {8, 16, 32, 128, 256}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BestOfBatch)
    ->ArgNames({"items", "contexts"})
    ->ArgsProduct({{kMillion}, {1, 2, 4, 8, 16}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BestOfFiltered)
    ->ArgNames({"items", "share"})
    ->ArgsProduct({{kMillion, 5 * kMillion}, {2, 10, 100, 1000, 10'000}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fmserve::model
