// One request as a server scores it: 20 features of context, 200 candidates of 10 features, k = 16,
// f16, by the number of keys in the file, the size of the pages it lies on, and the candidates per
// call of ScoreCandidates. Values are drawn evenly, which is harder than the skew of real traffic.
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
#include <string>
#include <vector>

#include "model/scorer.h"
#include "model/weight_writer.h"

namespace fmserve::model {
namespace {

constexpr size_t kContextFeatures = 20;
constexpr size_t kCandidates = 200;
constexpr size_t kFeaturesPerCandidate = 10;
constexpr size_t kRequests = 512;  // enough not to find their rows in cache again

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

FeatureSchema Schema() {
  std::vector<Field> fields(1);
  fields[0].name = "id";
  fields[0].kind = FieldKind::kMultiValued;
  fields[0].value_type = ValueType::kInteger;
  return OrDie(FeatureSchema::Create(std::move(fields)));
}

uint64_t KeyOf(int64_t id) {
  static const FeatureSchema schema = Schema();
  return ValueKey(schema.seed(0), id);
}

std::string WriteFile(int64_t keys_count) {
  WeightFileOptions options;
  options.model_name = "bench";
  options.quantization = Quantization::kF16;
  options.schema = Schema();
  options.with_names = false;
  WeightWriter writer(std::move(options));
  std::vector<float> v(16, 0.125F);
  for (int64_t id = 0; id < keys_count; ++id) {
    v[id % 16] = -v[id % 16];
    if (!writer.AddRow({KeyOf(id), 0, "", 0.01F, v}).ok()) std::abort();
  }
  const std::string path =
      std::filesystem::temp_directory_path() / ("scorer_bench_" + std::to_string(getpid()));
  const absl::Status status = writer.Finish(path);
  if (status.ok()) return path;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// The file in memory, on 4 KB or 2 MB pages. Lives as long as the process.
std::shared_ptr<const WeightFile> Load(const std::string& path, bool huge_pages) {
  const size_t size = std::filesystem::file_size(path);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(memory, size, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  std::ifstream(path, std::ios::binary)
      .read(static_cast<char*>(memory), static_cast<std::streamsize>(size));
  return OrDie(WeightFile::FromBytes({static_cast<const std::byte*>(memory), size}));
}

const WeightFile& Model(int64_t keys_count, bool huge_pages) {
  static std::map<int64_t, std::array<std::shared_ptr<const WeightFile>, 2>> models;
  auto& pair = models[keys_count];
  if (pair[0] == nullptr) {
    const std::string path = WriteFile(keys_count);
    pair = {Load(path, false), Load(path, true)};
    unlink(path.c_str());
  }
  return *pair[huge_pages ? 1 : 0];
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
      list.Add(KeyOf(static_cast<int64_t>(random() % static_cast<uint64_t>(keys_count))), 1.0F, 0);
    }
  };
  for (Request& request : requests) {
    fill(request.context, kContextFeatures);
    fill(request.candidates, kCandidates * kFeaturesPerCandidate);
  }
  return requests;
}

void ScoreRequest(benchmark::State& state) {
  const int64_t keys_count = state.range(0);
  const bool huge_pages = state.range(1) == 2048;
  const auto chunk = static_cast<size_t>(state.range(2));
  const Scorer scorer(Model(keys_count, huge_pages), *OrDie(DefaultKernels()));
  const std::vector<Request> requests = MakeRequests(keys_count);
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

BENCHMARK(ScoreRequest)
    ->ArgNames({"keys", "page_kb", "chunk"})
    ->ArgsProduct({{10'000, 1'000'000, 10'000'000}, {4, 2048}, {8, 16, 32, 64, 200}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fmserve::model
