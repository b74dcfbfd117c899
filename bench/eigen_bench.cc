// The same scores from our kernels and from Eigen, compiled for this very processor as its users
// do (-march=native): nanoseconds per row, ids resolved, rows one after the other.
//
//   candidates   10 features each, any x, against the sums of a context
//   folded       bias + <vector, sums>, which in Eigen is a matrix times a vector; "int8 scan" is
//                what finds the best of a catalogue, within a proven bound
//   in_cache     about a thousand rows
//   from_memory  512 MB of f32 vectors, read from the first to the last, all on 2 MB pages
//
// Eigen has the linear weights in a vector of their own, and everything in f32. All forms are
// compared before the first is timed.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "bench/eigen_table.h"
#include "model/kernels/kernels.h"

namespace fmserve::model {
namespace {

constexpr Eigen::Index kFeatures = 10;  // of a candidate
// Rows that are scored in one go.
constexpr size_t kCandidatesChunk = 1000;
constexpr size_t kFoldedChunk = kScanGroupItems;
constexpr size_t kVectorBytes = size_t{512} << 20;

template <uint32_t kK>
const Table<kK>& TableOf(bool in_memory) {
  if (in_memory) {
    static const Table<kK> memory(kVectorBytes / (kK * sizeof(float)));
    return memory;
  }
  static const Table<kK> cache(kFoldedChunk);
  return cache;
}

// What every contestant scores against, and where the scores go.
template <uint32_t kK>
struct Context {
  explicit Context(size_t chunk_rows)
      : rows(chunk_rows),
        sums(Eigen::Matrix<float, kK, 1>::LinSpaced(-1.0F, 1.0F)),
        slots(rows),
        xs(Eigen::VectorXf::LinSpaced(size(), 0.5F, 1.5F)),
        scores(Eigen::VectorXf::Zero(size())) {
    for (uint32_t i = 0; i < rows; ++i) slots[i] = i;
  }

  Eigen::Index size() const { return static_cast<Eigen::Index>(rows); }

  size_t rows;
  alignas(64) Eigen::Matrix<float, kK, 1> sums;
  std::vector<uint32_t> slots;
  Eigen::VectorXf xs;
  Eigen::VectorXf scores;
  float threshold = std::numeric_limits<float>::infinity();  // of the scan
  std::vector<ScanHit> hits{kScanGroupItems};
};

const KernelTable& Kernels() {
  static const KernelTable& kernels = **DefaultKernels();
  return kernels;
}

// Our kernel on kPerList rows at a time.
template <uint32_t kK, size_t kPerList>
void Ours(RowsView rows, size_t first, Context<kK>& context) {
  static_assert(PaddedK(kK) == kK);
  const AccumulateFn accumulate = Kernels().accumulate(rows.quantization, kK);
  rows.bytes += first * rows.stride_bytes;
  for (size_t i = 0; i < context.rows; i += kPerList) {
    context.scores[static_cast<Eigen::Index>(i / kPerList)] =
        static_cast<float>(accumulate(rows, context.slots.data() + i, context.xs.data() + i,
                                      kPerList, context.sums.data(), nullptr));
  }
}
template <uint32_t kK, size_t kPerList>
void OursF32(const Table<kK>& table, size_t first, Context<kK>& context) {
  Ours<kK, kPerList>(table.f32, first, context);
}
template <uint32_t kK, size_t kPerList>
void OursF16(const Table<kK>& table, size_t first, Context<kK>& context) {
  Ours<kK, kPerList>(table.f16, first, context);
}

template <uint32_t kK>
void OursDot(const Table<kK>& table, size_t first, Context<kK>& context) {
  const DotFn dot = Kernels().dot;
  for (size_t i = 0; i < context.rows; ++i) {
    context.scores[static_cast<Eigen::Index>(i)] = static_cast<float>(
        table.linear[first + i] + dot(table.vectors + (first + i) * kK, context.sums.data(), kK));
  }
}

// Of items that are no hits the scores do not leave the registers.
template <uint32_t kK>
void OursScan(const Table<kK>& table, size_t first, Context<kK>& context) {
  const auto group = static_cast<uint32_t>(first / kScanGroupItems);
  const ScanContext quantized = table.blocks.Quantize({context.sums.data(), kK});
  const size_t hits_count = Kernels().scan(quantized, table.blocks.group(group), nullptr,
                                           context.threshold, context.hits.data());
  Kernels().refine(quantized, table.blocks.rows(), context.hits.data(), hits_count);
  for (const ScanHit& hit : std::span(context.hits.data(), hits_count)) {
    const ScoreRange range = table.blocks.RangeOf(quantized, hit);
    context.scores[static_cast<Eigen::Index>(hit.item - first)] =
        static_cast<float>((range.lower + range.upper) / 2);
  }
}

// Rendle's identity: the sums of a candidate are a product of its matrix with its x.
template <uint32_t kK>
void EigenSums(const Table<kK>& table, size_t first, Context<kK>& context) {
  const float before = context.sums.squaredNorm();
  for (size_t i = 0; i < context.rows; i += kFeatures) {
    const Eigen::Map<const Eigen::Matrix<float, kFeatures, kK, Eigen::RowMajor>> v(
        table.vectors + (first + i) * kK);
    const Eigen::Map<const Eigen::Matrix<float, kFeatures, 1>> w(table.linear + first + i);
    const Eigen::Map<const Eigen::Matrix<float, kFeatures, 1>> x(context.xs.data() + i);
    Eigen::Matrix<float, kK, 1> sums = context.sums;
    sums.noalias() += v.transpose() * x;
    const float squares = v.rowwise().squaredNorm().dot(x.cwiseAbs2());
    context.scores[static_cast<Eigen::Index>(i) / kFeatures] =
        w.dot(x) + 0.5F * (sums.squaredNorm() - before - squares);
  }
}

// Feature by feature, as our kernels do.
template <uint32_t kK>
void EigenPairs(const Table<kK>& table, size_t first, Context<kK>& context) {
  for (size_t i = 0; i < context.rows; i += kFeatures) {
    Eigen::Matrix<float, kK, 1> sums = context.sums;
    float score = 0.0F;
    for (size_t row = i; row < i + kFeatures; ++row) {
      const Eigen::Map<const Eigen::Matrix<float, kK, 1>> v(table.vectors + (first + row) * kK);
      const float x = context.xs[static_cast<Eigen::Index>(row)];
      score += x * (table.linear[first + row] + v.dot(sums));
      sums += x * v;
    }
    context.scores[static_cast<Eigen::Index>(i) / kFeatures] = score;
  }
}

// kColumns: k at compile time, or Eigen::Dynamic.
template <uint32_t kK, int kColumns>
void EigenRows(const Table<kK>& table, size_t first, Context<kK>& context) {
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, kColumns, Eigen::RowMajor>> v(
      table.vectors + first * kK, context.size(), kK);
  const Eigen::Map<const Eigen::VectorXf> w(table.linear + first, context.size());
  context.scores = w;
  context.scores.noalias() += v * context.sums;
}

template <uint32_t kK>
void EigenColumns(const Table<kK>& table, size_t first, Context<kK>& context) {
  const auto rows = static_cast<Eigen::Index>(table.rows_count);
  const Eigen::Map<const Eigen::MatrixXf, 0, Eigen::OuterStride<>> v(
      table.columns + first, context.size(), kK, Eigen::OuterStride<>(rows));
  const Eigen::Map<const Eigen::VectorXf> w(table.linear + first, context.size());
  context.scores = w;
  context.scores.noalias() += v * context.sums;
}

template <uint32_t kK>
struct Contestant {
  const char* name;
  void (*score)(const Table<kK>& table, size_t first, Context<kK>& context);
  double tolerance;  // of scores about 1, against the first of the contest
};

constexpr double kF32Tolerance = 1e-4;
constexpr double kF16Tolerance = 1e-2;
constexpr double kInt8Tolerance = 5e-2;

template <uint32_t kK>
struct Contest {
  std::string work;
  size_t chunk_rows;
  std::vector<Contestant<kK>> contestants;
};

// Ends the program when a contestant computes something else.
template <uint32_t kK>
void Compare(const Contest<kK>& contest) {
  const auto scores_of = [&](const Contestant<kK>& contestant) {
    Context<kK> context(contest.chunk_rows);
    context.threshold = -std::numeric_limits<float>::infinity();
    contestant.score(TableOf<kK>(/*in_memory=*/false), 0, context);
    return context.scores;
  };
  const Eigen::VectorXf expected = scores_of(contest.contestants.front());
  for (const Contestant<kK>& contestant : contest.contestants) {
    // Not maxCoeff(): g++ 12 warns of what it inlines there.
    const Eigen::VectorXf errors = (scores_of(contestant) - expected).cwiseAbs();
    const float error = *std::max_element(errors.begin(), errors.end());
    if (error <= contestant.tolerance) continue;
    std::fprintf(stderr, "eigen_bench: %s, k=%u: a score of %s is wrong by %g\n",
                 contest.work.c_str(), kK, contestant.name, error);
    std::exit(1);
  }
}

template <uint32_t kK>
void Score(benchmark::State& state, const Contestant<kK>& contestant, size_t chunk_rows,
           bool in_memory) {
  const Table<kK>& table = TableOf<kK>(in_memory);
  Context<kK> context(chunk_rows);
  size_t first = 0;
  for (auto _ : state) {
    contestant.score(table, first, context);
    benchmark::DoNotOptimize(context.scores.data());
    benchmark::ClobberMemory();
    first += chunk_rows;
    if (first + chunk_rows > table.rows_count) first = 0;
  }
  state.counters["per_row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * chunk_rows),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <uint32_t kK>
void Register(const Contest<kK>& contest) {
  Compare(contest);
  for (const bool in_memory : {false, true}) {
    for (const Contestant<kK>& contestant : contest.contestants) {
      const std::string name = contest.work + (in_memory ? "/from_memory" : "/in_cache") +
                               "/k:" + std::to_string(kK) + "/" + contestant.name;
      benchmark::RegisterBenchmark(name.c_str(), [contestant, chunk_rows = contest.chunk_rows,
                                                  in_memory](benchmark::State& state) {
        Score(state, contestant, chunk_rows, in_memory);
      });
    }
  }
}

template <uint32_t kK>
void RegisterAll() {
  Register<kK>({"candidates",
                kCandidatesChunk,
                {{"f32", OursF32<kK, kFeatures>, kF32Tolerance},
                 {"f16", OursF16<kK, kFeatures>, kF16Tolerance},
                 {"Eigen, sums and squares", EigenSums<kK>, kF32Tolerance},
                 {"Eigen, feature by feature", EigenPairs<kK>, kF32Tolerance}}});
  Register<kK>({"folded",
                kFoldedChunk,
                {{"f32", OursDot<kK>, kF32Tolerance},
                 {"int8 scan", OursScan<kK>, kInt8Tolerance},
                 {"Eigen, rows, k at compile time", EigenRows<kK, kK>, kF32Tolerance},
                 {"Eigen, rows, k at run time", EigenRows<kK, Eigen::Dynamic>, kF32Tolerance},
                 {"Eigen, columns", EigenColumns<kK>, kF32Tolerance}}});
}

const bool registered = [] {
  RegisterAll<16>();
  RegisterAll<64>();
  return true;
}();

}  // namespace
}  // namespace fmserve::model
