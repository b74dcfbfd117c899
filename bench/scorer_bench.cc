// One request as a server scores it: 20 features of context, 200 candidates of 10 features. Values
// are drawn evenly, which is harder than the skew of real traffic.
//
//   ScoreRequest  k = 16, f16, by the number of keys in the file, the size of the pages it lies on,
//                 and the candidates per call of ScoreCandidates
//   by_row        by the encoding of the rows and k, on 2 MB pages: of 10,000 keys, which stay in
//                 cache, and of 2 million
//   by_rank       the same of field-weighted models in f16, by k and the rank of the field matrix;
//                 rank 0 is a plain model
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "model/scorer.h"
#include "model/weight_writer.h"

namespace fmserve::model {
namespace {

constexpr size_t kContextFeatures = 20;
constexpr size_t kCandidates = 200;
constexpr size_t kFeaturesPerCandidate = 10;
constexpr size_t kFields = 20;
constexpr size_t kRequests = 512;  // enough not to find their rows in cache again

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

FeatureSchema Schema() {
  std::vector<Field> fields(kFields);
  for (size_t i = 0; i < fields.size(); ++i) {
    fields[i].name = "id" + std::to_string(i);
    fields[i].kind = FieldKind::kMultiValued;
    fields[i].value_type = ValueType::kInteger;
  }
  return OrDie(FeatureSchema::Create(std::move(fields)));
}

uint64_t KeyOf(int64_t id) {
  static const FeatureSchema schema = Schema();
  return ValueKey(schema.seed(0), id);
}

struct Spec {
  int64_t keys_count = 0;
  Quantization quantization = Quantization::kF16;
  uint32_t k = 16;
  uint32_t rank = 0;  // of the field matrix; 0: none

  bool operator<(const Spec& other) const {
    return std::tie(keys_count, quantization, k, rank) <
           std::tie(other.keys_count, other.quantization, other.k, other.rank);
  }
};

std::string WriteFile(const Spec& spec) {
  WeightFileOptions options;
  options.model_name = "bench";
  options.quantization = spec.quantization;
  options.k = spec.k;
  options.schema = Schema();
  if (spec.rank > 0) {
    options.field_matrix = FieldMatrix{.rank = spec.rank,
                                       .scales = std::vector<float>(spec.rank, 0.5F),
                                       .factors = std::vector<float>(spec.rank * kFields, 0.25F)};
  }
  options.with_names = false;
  WeightWriter writer(std::move(options));
  std::vector<float> v(spec.k, 0.125F);
  for (int64_t id = 0; id < spec.keys_count; ++id) {
    float& flipped = v[static_cast<size_t>(id) % v.size()];
    flipped = -flipped;
    if (!writer.AddRow({KeyOf(id), 0, "", 0.01F, v}).ok()) std::abort();
  }
  const std::string path =
      std::filesystem::temp_directory_path() / ("scorer_bench_" + std::to_string(getpid()));
  const absl::Status status = writer.Finish(path);
  if (status.ok()) return path;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::span<std::byte> Reserve(size_t size, bool huge_pages) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, size, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return {static_cast<std::byte*>(memory), size};
}

// The bytes of a file in memory, on 4 KB or 2 MB pages. They live as long as the process.
std::span<const std::byte> FileBytes(const Spec& spec, bool huge_pages) {
  static std::map<Spec, std::array<std::span<const std::byte>, 2>> files;
  auto& [small, huge] = files[spec];
  std::span<const std::byte>& wanted = huge_pages ? huge : small;
  const std::span<const std::byte> other = huge_pages ? small : huge;
  if (!wanted.empty()) return wanted;
  if (!other.empty()) {
    const std::span<std::byte> bytes = Reserve(other.size(), huge_pages);
    std::copy(other.begin(), other.end(), bytes.begin());
    return wanted = bytes;
  }
  const std::string path = WriteFile(spec);
  const std::span<std::byte> bytes = Reserve(std::filesystem::file_size(path), huge_pages);
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  unlink(path.c_str());
  return wanted = bytes;
}

const WeightFile& Model(const Spec& spec, bool huge_pages) {
  static std::map<std::pair<Spec, bool>, std::shared_ptr<const WeightFile>> models;
  std::shared_ptr<const WeightFile>& model = models[{spec, huge_pages}];
  if (model == nullptr) model = OrDie(WeightFile::FromBytes(FileBytes(spec, huge_pages)));
  return *model;
}

struct Request {
  FeatureList context;
  FeatureList candidates;
};

std::vector<Request> MakeRequests(int64_t keys_count) {
  std::mt19937_64 random(7);
  std::vector<Request> requests(kRequests);
  const auto fill = [&](FeatureList& list, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      list.Add(KeyOf(static_cast<int64_t>(random() % static_cast<uint64_t>(keys_count))), 1.0F,
               static_cast<uint8_t>(i % kFields));
    }
  };
  for (Request& request : requests) {
    fill(request.context, kContextFeatures);
    fill(request.candidates, kCandidates * kFeaturesPerCandidate);
  }
  return requests;
}

void Score(benchmark::State& state, const Spec& spec, bool huge_pages, size_t chunk) {
  const Scorer scorer(Model(spec, huge_pages), *OrDie(DefaultKernels()));
  const std::vector<Request> requests = MakeRequests(spec.keys_count);
  const std::vector<uint32_t> lengths(kCandidates, kFeaturesPerCandidate);
  std::vector<float> scores(kCandidates);
  Scratch scratch;
  size_t next = 0;
  for (auto _ : state) {
    const Request& request = requests[next++ % kRequests];
    scorer.ScoreContext(request.context.view(), scratch);
    for (size_t first = 0; first < kCandidates; first += chunk) {
      const size_t count = std::min(chunk, kCandidates - first);
      scorer.ScoreCandidates(request.candidates.view().subspan(first * kFeaturesPerCandidate,
                                                               count * kFeaturesPerCandidate),
                             {lengths.data(), count}, scratch, {scores.data() + first, count});
    }
    benchmark::DoNotOptimize(scores.data());
    benchmark::ClobberMemory();
  }
  constexpr size_t kFeatures = kContextFeatures + kCandidates * kFeaturesPerCandidate;
  state.counters["per_feature"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kFeatures),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void ScoreRequest(benchmark::State& state) {
  Score(state, {.keys_count = state.range(0)}, /*huge_pages=*/state.range(1) == 2048,
        static_cast<size_t>(state.range(2)));
}

BENCHMARK(ScoreRequest)
    ->ArgNames({"keys", "page_kb", "chunk"})
    ->ArgsProduct({{10'000, 1'000'000, 10'000'000}, {4, 2048}, {8, 16, 32, 64, 200}})
    ->Unit(benchmark::kMicrosecond);

const bool registered = [] {
  for (const int64_t keys_count : {10'000, 2'000'000}) {
    for (const auto quantization : {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
      for (const uint32_t k : {8, 16, 32, 64}) {
        const std::string name = "by_row/keys:" + std::to_string(keys_count) + "/" +
                                 std::string(Name(quantization)) + "/k:" + std::to_string(k);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
          Score(state, {keys_count, quantization, k, /*rank=*/0}, /*huge_pages=*/true, kCandidates);
        })->Unit(benchmark::kMicrosecond);
      }
    }
    for (const uint32_t k : {8, 16}) {
      for (const uint32_t rank : {0, 1, 2, 3, 4, 6, 8, 16}) {
        const std::string name = "by_rank/keys:" + std::to_string(keys_count) +
                                 "/k:" + std::to_string(k) + "/rank:" + std::to_string(rank);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
          Score(state, {keys_count, Quantization::kF16, k, rank}, /*huge_pages=*/true, kCandidates);
        })->Unit(benchmark::kMicrosecond);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace fmserve::model
