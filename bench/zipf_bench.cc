// Would it pay to keep the sums of feature lists that come again? Candidates as production has
// them: lists of 10 features out of a pool, drawn by a Zipf law, or never twice the same; 20
// features of context and 200 candidates per request; k = 16, f16, 10 M keys, 2 MB pages.
//
//   plain   Scorer::ScoreCandidates
//   folded  each list summed by itself, then multiplied with the context: what a cache needs so
//   that
//           a hit and a miss give the same bits
//   cached  folded, but the sums of lists that came before are taken from a cache of 8 MB
//   stepping_aside  cached, but where few lists come again only some of them are looked for
//
// Nanoseconds of one thread per candidate, and hits. Run in turns, because machines change speed:
//   zipf_bench --benchmark_repetitions=5 --benchmark_enable_random_interleaving
//              --benchmark_report_aggregates_only
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/list_cache.h"
#include "model/scorer.h"
#include "model/weight_writer.h"

namespace fmserve::model {
namespace {

constexpr int64_t kKeys = 10'000'000;
constexpr size_t kContextFeatures = 20;
constexpr size_t kCandidates = 200;
constexpr size_t kRequestsPerIteration = 8;  // so few that the second-level cache holds their keys
constexpr size_t kDraws = size_t{1} << 22;

FeatureSchema Schema() {
  std::vector<Field> fields(1);
  fields[0].name = "id";
  fields[0].kind = FieldKind::kMultiValued;
  fields[0].value_type = ValueType::kInteger;
  return OrDie(FeatureSchema::Create(std::move(fields)));
}

uint64_t KeyOf(uint64_t id) {
  static const FeatureSchema schema = Schema();
  return ValueKey(schema.seed(0), static_cast<int64_t>(id));
}

// Lives as long as the process.
const WeightFile& Model() {
  static const std::shared_ptr<const WeightFile> model = [] {
    WeightFileOptions options;
    options.model_name = "bench";
    options.quantization = Quantization::kF16;
    options.schema = Schema();
    options.with_names = false;
    WeightWriter writer(std::move(options));
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
    std::vector<float> v(kListFactors);
    for (int64_t id = 0; id < kKeys; ++id) {
      for (float& value : v) value = uniform(random);
      if (!writer.AddRow({KeyOf(static_cast<uint64_t>(id)), 0, "", v[0], v}).ok()) std::abort();
    }
    const std::string path =
        std::filesystem::temp_directory_path() / ("zipf_bench_" + std::to_string(getpid()));
    if (!writer.Finish(path).ok()) std::abort();
    const size_t size = std::filesystem::file_size(path);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, size, MADV_HUGEPAGE);
    std::ifstream(path, std::ios::binary)
        .read(static_cast<char*>(memory), static_cast<std::streamsize>(size));
    unlink(path.c_str());
    return OrDie(WeightFile::FromBytes({static_cast<const std::byte*>(memory), size}));
  }();
  return *model;
}

using List = std::array<uint64_t, kListFeatures>;

// even: every feature any of 10 M, so that lists share hardly any row. ads: one feature of the
// list's own, the others of fields with fewer and fewer values, as advertisers, sizes and genres.
List DrawList(bool ads, std::mt19937_64& random) {
  constexpr uint64_t kValues[] = {kKeys, 1'000'000, 100'000, 30'000, 10'000,
                                  3'000, 1'000,     300,     100,    20};
  List list;
  uint64_t first = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const uint64_t values = ads ? kValues[i] : kKeys;
    list[i] = KeyOf((first + random() % values) % kKeys);
    first += ads ? values : 0;
  }
  return list;
}

const std::vector<List>& Pool(size_t lists_count, bool ads) {
  static std::map<std::pair<size_t, bool>, std::vector<List>> pools;
  std::vector<List>& pool = pools[{lists_count, ads}];
  std::mt19937_64 random(5);
  while (pool.size() < lists_count) pool.push_back(DrawList(ads, random));
  return pool;
}

// kDraws ranks below `ranks`, the r-th with a weight of r^-s.
const std::vector<uint32_t>& ZipfDraws(size_t ranks, int64_t tenths_of_s) {
  static std::map<std::pair<size_t, int64_t>, std::vector<uint32_t>> all;
  std::vector<uint32_t>& draws = all[{ranks, tenths_of_s}];
  if (!draws.empty()) return draws;
  std::vector<double> sums;
  double sum = 0.0;
  for (size_t rank = 1; rank <= ranks; ++rank) {
    sum += std::pow(static_cast<double>(rank), static_cast<double>(-tenths_of_s) / 10.0);
    sums.push_back(sum);
  }
  std::mt19937_64 random(6);
  std::uniform_real_distribution<double> uniform(0.0, sum);
  for (size_t i = 0; i < kDraws; ++i) {
    const auto rank = std::upper_bound(sums.begin(), sums.end(), uniform(random)) - sums.begin();
    draws.push_back(std::min(static_cast<uint32_t>(rank), static_cast<uint32_t>(ranks - 1)));
  }
  return draws;
}

struct Request {
  FeatureList context;
  FeatureList candidates;
};

class Traffic {
 public:
  // lists_count 0: never the same list again.
  Traffic(size_t lists_count, int64_t tenths_of_s, bool ads) : ads_(ads) {
    if (lists_count == 0) return;
    pool_ = &Pool(lists_count, ads);
    draws_ = &ZipfDraws(lists_count, tenths_of_s);
  }

  void Next(Request& request) {
    request.context.Clear();
    request.candidates.Clear();
    for (size_t i = 0; i < kContextFeatures; ++i) {
      request.context.Add(KeyOf(random_() % kKeys), 1.0F, 0);
    }
    for (size_t c = 0; c < kCandidates; ++c) {
      const List list =
          pool_ == nullptr ? DrawList(ads_, random_) : (*pool_)[(*draws_)[next_++ % kDraws]];
      for (const uint64_t key : list) request.candidates.Add(key, 1.0F, 0);
    }
  }

 private:
  const bool ads_;
  const std::vector<List>* pool_ = nullptr;
  const std::vector<uint32_t>* draws_ = nullptr;
  std::mt19937_64 random_{7};
  size_t next_ = 0;
};

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// `score` takes the context's scratch, the candidates and room for their scores.
template <typename Score>
void Time(benchmark::State& state, Traffic traffic, const Score& score) {
  const Scorer scorer(Model(), *OrDie(DefaultKernels()));
  std::vector<Request> requests(kRequestsPerIteration);
  std::vector<float> scores(kCandidates);
  Scratch scratch;
  for (auto _ : state) {
    for (Request& request : requests) traffic.Next(request);
    const double start = ThreadSeconds();
    for (const Request& request : requests) {
      scorer.ScoreContext(request.context.view(), scratch);
      score(scorer, scratch, request.candidates.view(), scores);
      benchmark::DoNotOptimize(scores.data());
      benchmark::ClobberMemory();
    }
    state.SetIterationTime(ThreadSeconds() - start);
  }
  state.counters["per_candidate"] = benchmark::Counter(
      static_cast<double>(state.iterations() * kRequestsPerIteration * kCandidates),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

Traffic TrafficOf(const benchmark::State& state) {
  return {static_cast<size_t>(state.range(0)), state.range(1), state.range(2) != 0};
}

void Plain(benchmark::State& state) {
  const std::vector<uint32_t> lengths(kCandidates, kListFeatures);
  Time(
      state, TrafficOf(state),
      [&](const Scorer& scorer, Scratch& scratch, FeatureSpan candidates, std::span<float> scores) {
        scorer.ScoreCandidates(candidates, lengths, scratch, scores);
      });
}

template <size_t kWays, bool kStepsAside>
void Folded(benchmark::State& state) {
  // Warm in later turns.
  static const auto folded = std::make_unique<FoldedScorer<kWays, kStepsAside>>(Model());
  const size_t hits_before = folded->hits();
  Time(state, TrafficOf(state),
       [&](const Scorer&, const Scratch& scratch, FeatureSpan candidates, std::span<float> scores) {
         folded->Score(scratch, candidates, scores);
       });
  state.counters["hits"] =
      static_cast<double>(folded->hits() - hits_before) /
      static_cast<double>(state.iterations() * kRequestsPerIteration * kCandidates);
}

void Register(const std::string& name, void (*run)(benchmark::State&)) {
  auto* bench = benchmark::RegisterBenchmark(name.c_str(), run);
  bench->ArgNames({"lists", "s10", "ads"});
  for (const int64_t ads : {0, 1}) {
    bench->Args({0, 0, ads});
    for (const int64_t lists : {100'000, 1'000'000}) {
      for (const int64_t s10 : {8, 10, 12}) bench->Args({lists, s10, ads});
    }
  }
  bench->UseManualTime()->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  Register("plain", Plain);
  Register("folded", Folded<0, false>);
  Register("cached/ways:1", Folded<1, false>);
  Register("cached/ways:4", Folded<4, false>);
  Register("stepping_aside/ways:1", Folded<1, true>);
  return true;
}();

}  // namespace
}  // namespace fmserve::model
