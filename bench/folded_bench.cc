// Known items: scores of 1,000 random items of a catalogue of 1 M, k = 64, for one context, as
// Predict has them for items that are named by their ids. One iteration is one request; in f32 it
// may take 45 us, in int8 12 us. Beside it what memory alone takes on the same pages: as many rows
// of as many bytes, each line asked for as far ahead, then read, and nothing done with it.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "bench/random_catalogue.h"
#include "model/kernels/item_prefetch.h"
#include "model/table_memory.h"

namespace fmserve::model {
namespace {

constexpr int64_t kItems = 1'000'000;
constexpr size_t kItemsPerRequest = 1000;
constexpr size_t kRequests = 2000;  // enough to visit most items before one comes again
constexpr size_t kLineBytes = 64;

// Rows drawn evenly, so many per request; requests come in turn.
class Requests {
 public:
  Requests(int64_t rows_count, size_t rows_per_request)
      : rows_per_request_(rows_per_request), rows_(kRequests * rows_per_request) {
    std::mt19937 random(2);
    for (uint32_t& row : rows_) row = static_cast<uint32_t>(random() % rows_count);
  }

  std::span<const uint32_t> Next() {
    return std::span(rows_).subspan(next_++ % kRequests * rows_per_request_, rows_per_request_);
  }

 private:
  size_t rows_per_request_;
  std::vector<uint32_t> rows_;
  size_t next_ = 0;
};

const FoldedCatalogue& Folded(ItemVectors vectors) {
  static const std::shared_ptr<const FoldedCatalogue> folded[] = {
      MakeRandomCatalogue(kItems, /*skewed=*/false, ItemVectors::kF32),
      MakeRandomCatalogue(kItems, /*skewed=*/false, ItemVectors::kInt8)};
  return *folded[vectors == ItemVectors::kF32 ? 0 : 1];
}

void KnownItems(benchmark::State& state, ItemVectors vectors) {
  const FoldedCatalogue& folded = Folded(vectors);
  const std::vector<std::unique_ptr<Scratch>> contexts = ScoreContexts(folded);
  Requests requests(kItems, kItemsPerRequest);
  std::vector<float> scores(kItemsPerRequest);
  size_t next = 0;
  for (auto _ : state) {
    folded.Score(requests.Next(), *contexts[next++ % contexts.size()], scores);
    benchmark::DoNotOptimize(scores.data());
    benchmark::ClobberMemory();
  }
}

// `rows_count` rows of `row_bytes`, of a table of a thousand times as many.
void Memory(benchmark::State& state) {
  const auto rows_per_request = static_cast<size_t>(state.range(0));
  const auto row_bytes = static_cast<size_t>(state.range(1));
  const int64_t rows_count = state.range(0) * 1000;
  const TableMemory table =
      OrDie(TableMemory::Allocate(static_cast<size_t>(rows_count) * row_bytes));
  for (size_t at = 0; at < table.size(); at += kLineBytes) table.data()[at] = std::byte{1};
  Requests requests(rows_count, rows_per_request);
  const size_t ahead = RowsAhead(row_bytes);
  for (auto _ : state) {
    const std::span<const uint32_t> rows = requests.Next();
    unsigned sum = 0;
    for (size_t i = 0; i < rows.size() + ahead; ++i) {
      for (size_t at = 0; i < rows.size() && at < row_bytes; at += kLineBytes)
        PrefetchLine(table.data() + rows[i] * row_bytes + at);
      for (size_t at = 0; i >= ahead && at < row_bytes; at += kLineBytes)
        sum += std::to_integer<unsigned>(table.data()[rows[i - ahead] * row_bytes + at]);
    }
    benchmark::DoNotOptimize(sum);
  }
}

BENCHMARK_CAPTURE(KnownItems, f32, ItemVectors::kF32)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(KnownItems, int8, ItemVectors::kInt8)->Unit(benchmark::kMicrosecond);
BENCHMARK(Memory)
    ->ArgNames({"rows", "row_bytes"})
    ->Args({1000, 256})
    ->Args({1000, 64})
    ->Args({4000, 64})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fmserve::model
