// The limit that memory sets, for the table of a model: 10 M rows of 64 bytes.
//
//   sequential  one core reads the table from end to end, by several methods; the best is the limit
//   random      nanoseconds per row of 64 bytes, rows drawn evenly, on pages of 4 KB or 2 MB. A row
//   is
//               read when the one before has come, as if its use took that long; `distance` rows
//               ahead are prefetched (0: none, which shows the latency)
//   overlapped  the same without waiting: the processor reads ahead by itself
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace fmserve::bench {
namespace {

struct alignas(64) Row {
  uint64_t words[8];
};

constexpr size_t kRows = 10'000'000;
constexpr size_t kSlots = size_t{1} << 24;  // so many that no cache holds their rows
constexpr size_t kBatch = 4096;             // rows per iteration

std::span<const Row> MakeTable(bool huge_pages) {
  constexpr size_t kBytes = kRows * sizeof(Row);
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, kBytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  const std::span rows(static_cast<Row*>(memory), kRows);
  for (Row& row : rows) row = {{0, 1, 2, 3, 4, 5, 6, 7}};
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

// The registers of an instruction set.
using Vector16 = uint64_t __attribute__((vector_size(16)));
using Vector32 = uint64_t __attribute__((vector_size(32)));
using Vector64 = uint64_t __attribute__((vector_size(64)));

// The table in kStreams equal parts that are read side by side.
template <typename Vector, size_t kStreams>
[[gnu::always_inline]] inline uint64_t SumOf(std::span<const Row> rows, size_t prefetch_rows) {
  const size_t part = rows.size() / kStreams;
  Vector sums[kStreams] = {};
  for (size_t i = 0; i < part; ++i) {
    for (size_t s = 0; s < kStreams; ++s) {
      const Row* row = rows.data() + s * part + i;
      if (prefetch_rows > 0) __builtin_prefetch(row + prefetch_rows);
      const auto* vectors = reinterpret_cast<const Vector*>(row->words);
      for (size_t v = 0; v < sizeof(Row) / sizeof(Vector); ++v) sums[s] += vectors[v];
    }
  }
  uint64_t sum = 0;
  for (size_t s = 0; s < kStreams; ++s) {
    for (size_t lane = 0; lane < sizeof(Vector) / 8; ++lane) sum += sums[s][lane];
  }
  return sum;
}

using SumFn = uint64_t (*)(std::span<const Row> rows, size_t prefetch_rows);

template <size_t kStreams>
uint64_t SumInSse2(std::span<const Row> rows, size_t prefetch_rows) {
  return SumOf<Vector16, kStreams>(rows, prefetch_rows);
}
template <size_t kStreams>
[[gnu::target("avx2")]] uint64_t SumInAvx2(std::span<const Row> rows, size_t prefetch_rows) {
  return SumOf<Vector32, kStreams>(rows, prefetch_rows);
}
template <size_t kStreams>
[[gnu::target("avx512f")]] uint64_t SumInAvx512(std::span<const Row> rows, size_t prefetch_rows) {
  return SumOf<Vector64, kStreams>(rows, prefetch_rows);
}

void Sequential(benchmark::State& state, SumFn sum, size_t prefetch_rows, int64_t page_kb) {
  const std::span<const Row> rows = Table(page_kb);
  for (auto _ : state) benchmark::DoNotOptimize(sum(rows, prefetch_rows));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * rows.size_bytes()));
}

const std::vector<uint32_t>& Slots() {
  static const std::vector<uint32_t> slots = [] {
    std::mt19937_64 random(2);
    std::vector<uint32_t> drawn(kSlots);
    for (uint32_t& slot : drawn) slot = static_cast<uint32_t>(random() % kRows);
    return drawn;
  }();
  return slots;
}

// Reads kBatch rows per iteration, prefetched `distance` ahead; kWaits: one after the other.
template <bool kWaits>
void ReadRandomRows(benchmark::State& state, size_t distance) {
  const std::span<const Row> rows = Table(state.range(0));
  const std::vector<uint32_t>& slots = Slots();
  size_t first = 0;
  for (auto _ : state) {
    uint64_t sum = 0;  // 0 it stays, but the compiler does not know
    for (size_t i = first; i < first + kBatch; ++i) {
      const Row* from = rows.data() + (kWaits ? sum : 0);
      if (distance > 0) __builtin_prefetch(from + slots[i + distance]);
      sum += from[slots[i]].words[0];
    }
    benchmark::DoNotOptimize(sum);
    first += kBatch;
    if (first + kBatch + distance > slots.size()) first = 0;
  }
  state.counters["per_row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kBatch),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Random(benchmark::State& state) {
  ReadRandomRows</*kWaits=*/true>(state, static_cast<size_t>(state.range(1)));
}
void Overlapped(benchmark::State& state) { ReadRandomRows</*kWaits=*/false>(state, 0); }

BENCHMARK(Random)
    ->Name("random")
    ->ArgNames({"page_kb", "distance"})
    ->ArgsProduct({{4, 2048}, {0, 1, 2, 4, 8, 16, 32, 64}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(Overlapped)
    ->Name("overlapped")
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
