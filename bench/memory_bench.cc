// The limit that memory sets, for the table of a model: 10 M rows of 64 bytes.
//
//   sequential  one core reads the table from end to end, by several methods; the best is the limit
//   random      nanoseconds per row of 64 bytes, rows drawn evenly and prefetched `distance` rows
//               ahead (0: not at all), on pages of 4 KB or 2 MB
//   dependent   the same where each row names the next, so that nothing can be fetched ahead
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fmserve::bench {
namespace {

struct alignas(64) Row {
  uint64_t words[8];
};

constexpr size_t kRows = 10'000'000;
constexpr size_t kSlots = size_t{1} << 24;  // so many that no cache holds their rows
constexpr size_t kBatch = 4096;             // rows per iteration

// words[0] of each row names the next of one cycle through all of them (Sattolo 1986).
void FillWithCycle(std::span<Row> rows) {
  std::mt19937_64 random(1);
  std::vector<uint32_t> next(rows.size());
  std::iota(next.begin(), next.end(), 0U);
  for (size_t i = next.size() - 1; i > 0; --i) std::swap(next[i], next[random() % i]);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = {{next[i], 1, 2, 3, 4, 5, 6, 7}};
}

std::span<const Row> MakeTable(bool huge_pages) {
  constexpr size_t kBytes = kRows * sizeof(Row);
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, kBytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  const std::span rows(static_cast<Row*>(memory), kRows);
  FillWithCycle(rows);
  return rows;
}

// Made when it is first asked for; lives as long as the process.
template <bool kHugePages>
std::span<const Row> Table() {
  static const std::span<const Row> table = MakeTable(kHugePages);
  return table;
}
std::span<const Row> Table(int64_t page_kb) {
  return page_kb == 4 ? Table<false>() : Table<true>();
}

using Vector = uint64_t __attribute__((vector_size(64)));  // in as many registers as it takes

// The table in kStreams equal parts that are read side by side.
template <size_t kStreams>
[[gnu::always_inline]] inline uint64_t SumOf(std::span<const Row> rows, size_t prefetch_rows) {
  const size_t part = rows.size() / kStreams;
  Vector sums[kStreams] = {};
  for (size_t i = 0; i < part; ++i) {
    for (size_t s = 0; s < kStreams; ++s) {
      const Row* row = rows.data() + s * part + i;
      if (prefetch_rows > 0) __builtin_prefetch(row + prefetch_rows);
      sums[s] += *reinterpret_cast<const Vector*>(row->words);
    }
  }
  uint64_t sum = 0;
  for (size_t s = 0; s < kStreams; ++s) {
    for (size_t lane = 0; lane < 8; ++lane) sum += sums[s][lane];
  }
  return sum;
}

using SumFn = uint64_t (*)(std::span<const Row> rows, size_t prefetch_rows);

template <size_t kStreams>
uint64_t SumInSse2(std::span<const Row> rows, size_t prefetch_rows) {
  return SumOf<kStreams>(rows, prefetch_rows);
}
template <size_t kStreams>
[[gnu::target("avx2")]] uint64_t SumInAvx2(std::span<const Row> rows, size_t prefetch_rows) {
  return SumOf<kStreams>(rows, prefetch_rows);
}
template <size_t kStreams>
[[gnu::target("avx512f,prefer-vector-width=512")]] uint64_t SumInAvx512(std::span<const Row> rows,
                                                                        size_t prefetch_rows) {
  return SumOf<kStreams>(rows, prefetch_rows);
}

void Sequential(benchmark::State& state, SumFn sum, size_t prefetch_rows, int64_t page_kb) {
  const std::span<const Row> rows = Table(page_kb);
  for (auto _ : state) benchmark::DoNotOptimize(sum(rows, prefetch_rows));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * rows.size_bytes()));
}

void CountRows(benchmark::State& state) {
  state.counters["per_row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kBatch),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Random(benchmark::State& state) {
  const std::span<const Row> rows = Table(state.range(0));
  const auto distance = static_cast<size_t>(state.range(1));
  static const std::vector<uint32_t> slots = [] {
    std::mt19937_64 random(2);
    std::vector<uint32_t> drawn(kSlots);
    for (uint32_t& slot : drawn) slot = static_cast<uint32_t>(random() % kRows);
    return drawn;
  }();
  size_t first = 0;
  for (auto _ : state) {
    uint64_t sum = 0;
    for (size_t i = first; i < first + kBatch; ++i) {
      if (distance > 0) __builtin_prefetch(&rows[slots[i + distance]]);
      sum += rows[slots[i]].words[0];
    }
    benchmark::DoNotOptimize(sum);
    first += kBatch;
    if (first + kBatch + distance > slots.size()) first = 0;
  }
  CountRows(state);
}

void Dependent(benchmark::State& state) {
  const std::span<const Row> rows = Table(state.range(0));
  uint64_t slot = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < kBatch; ++i) slot = rows[slot].words[0];
    benchmark::DoNotOptimize(slot);
  }
  CountRows(state);
}

BENCHMARK(Random)
    ->Name("random")
    ->ArgNames({"page_kb", "distance"})
    ->ArgsProduct({{4, 2048}, {0, 1, 2, 4, 8, 16, 32, 64}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(Dependent)
    ->Name("dependent")
    ->ArgName("page_kb")
    ->Arg(4)
    ->Arg(2048)
    ->Unit(benchmark::kMicrosecond);

void RegisterSequential(const std::string& method, SumFn sum) {
  for (const int64_t page_kb : {4, 2048}) {
    for (const size_t prefetch_rows : {0, 16}) {
      const std::string name = "sequential/" + method +
                               "/prefetch_rows:" + std::to_string(prefetch_rows) +
                               "/page_kb:" + std::to_string(page_kb);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        Sequential(state, sum, prefetch_rows, page_kb);
      })->Unit(benchmark::kMillisecond);
    }
  }
}

const bool registered = [] {
  RegisterSequential("sse2/streams:1", SumInSse2<1>);
  RegisterSequential("sse2/streams:4", SumInSse2<4>);
  if (__builtin_cpu_supports("avx2")) {
    RegisterSequential("avx2/streams:1", SumInAvx2<1>);
    RegisterSequential("avx2/streams:4", SumInAvx2<4>);
  }
  if (__builtin_cpu_supports("avx512f")) {
    RegisterSequential("avx512/streams:1", SumInAvx512<1>);
    RegisterSequential("avx512/streams:4", SumInAvx512<4>);
  }
  return true;
}();

}  // namespace
}  // namespace fmserve::bench
