// onnx_runtime_compare: the same factorization machine in ONNX Runtime and in our kernels, on the
// same ids with their rows known, one thread. Everything has to agree before anything is timed;
// then all take turns, and the ratios are those within each turn. Processor time decides.
#include <sys/mman.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "bench/onnx_runtime/fm_graph.h"
#include "bench/onnx_runtime/ort_session.h"
#include "model/kernels/kernels.h"
#include "model/quantization.h"

namespace fmserve::bench {
namespace {

using nlohmann::json;

constexpr uint32_t kFactors = 16;
constexpr size_t kRequests = 128;  // enough not to find their rows in cache again
constexpr double kTolerance = 1e-5;
constexpr double kWantedRatio = 9.0;
constexpr RequestShape kShapes[] = {
    {.context_features = 0, .candidates = 500, .features_per_candidate = 20},
    {.context_features = 20, .candidates = 200, .features_per_candidate = 10}};

struct Arguments {
  std::string library;
  int64_t rows = 1'000'000;
  int repetitions = 15;
  int requests = 200;
  std::string json_path;
};

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "onnx_runtime_compare: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status());
  return *std::move(value);
}

// The model, for them in columns and for us in rows on 2 MB pages.
class Model {
 public:
  explicit Model(int64_t rows) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
    for (int64_t row = 0; row < rows; ++row) {
      w_.push_back(uniform(random));
      for (uint32_t f = 0; f < kFactors; ++f) v_.push_back(uniform(random));
    }
    tables_ = {.rows = rows, .k = kFactors, .w0 = -1.0F, .w = w_, .v = v_};
    EncodeRows(static_cast<size_t>(rows));
  }

  const FmTables& tables() const { return tables_; }
  const model::RowsView& rows() const { return rows_; }

 private:
  void EncodeRows(size_t rows) {
    const uint32_t stride = model::RowStrideBytes(model::Quantization::kF32, kFactors);
    const size_t size = rows * stride;
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) Die(absl::ResourceExhaustedError("not enough memory"));
    madvise(memory, size, MADV_HUGEPAGE);
    auto* bytes = static_cast<std::byte*>(memory);
    for (size_t row = 0; row < rows; ++row) {
      const absl::Status status = model::EncodeRow(model::Quantization::kF32, row + 1, w_[row],
                                                   std::span(v_).subspan(row * kFactors, kFactors),
                                                   {bytes + row * stride, stride});
      if (!status.ok()) Die(status);
    }
    rows_ = {bytes, rows, stride, kFactors, model::Quantization::kF32};
  }

  std::vector<float> w_;
  std::vector<float> v_;
  FmTables tables_;
  model::RowsView rows_;
};

struct Request {
  std::vector<uint32_t> context;
  std::vector<uint32_t> candidates;  // candidate after candidate
};

std::vector<Request> DrawRequests(const RequestShape& shape, int64_t rows) {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<uint32_t> slots(0, static_cast<uint32_t>(rows - 1));
  std::vector<Request> requests(kRequests);
  for (Request& request : requests) {
    request.context.resize(static_cast<size_t>(shape.context_features));
    request.candidates.resize(static_cast<size_t>(shape.candidates * shape.features_per_candidate));
    for (uint32_t& slot : request.context) slot = slots(random);
    for (uint32_t& slot : request.candidates) slot = slots(random);
  }
  return requests;
}

// Scores the request with this number.
using ScoreFn = std::function<void(size_t number, std::span<float> scores)>;

struct Contestant {
  std::string name;
  ScoreFn score;
  std::vector<double> request_us = {};  // one per repetition
};

// What model/scorer.cc does once the features are looked up, rows prefetched a chunk ahead.
class OurScorer {
 public:
  OurScorer(const Model& model, const RequestShape& shape, const std::vector<Request>& requests)
      : rows_(model.rows()),
        w0_(model.tables().w0),
        candidate_features_(static_cast<size_t>(shape.features_per_candidate)),
        requests_(requests),
        xs_(std::max(shape.context_features, shape.features_per_candidate), 1.0F),
        accumulate_(OrDie(model::DefaultKernels())->accumulate(rows_.quantization, rows_.k)) {}

  void Score(size_t number, std::span<float> scores) const {
    const Request& request = requests_[number];
    alignas(64) float sums[kFactors] = {};
    Prefetch(request.context);
    Prefetch(Chunk(request, 0));
    const double context_score = w0_ + accumulate_(rows_, request.context.data(), xs_.data(),
                                                   request.context.size(), sums, sums);
    for (size_t c = 0; c < scores.size(); ++c) {
      if (c % kChunk == 0) Prefetch(Chunk(request, c / kChunk + 1));
      scores[c] = static_cast<float>(
          context_score + accumulate_(rows_, request.candidates.data() + c * candidate_features_,
                                      xs_.data(), candidate_features_, sums, nullptr));
    }
  }

 private:
  static constexpr size_t kChunk = 4;  // candidates

  // The features of a chunk; none beyond the end.
  std::span<const uint32_t> Chunk(const Request& request, size_t chunk) const {
    const std::span<const uint32_t> all = request.candidates;
    const size_t size = kChunk * candidate_features_;
    const size_t first = std::min(chunk * size, all.size());
    return all.subspan(first, std::min(size, all.size() - first));
  }
  void Prefetch(std::span<const uint32_t> slots) const {
    for (const uint32_t slot : slots) {
      for (uint32_t line = 0; line < rows_.stride_bytes; line += 64) {
        __builtin_prefetch(rows_.row(slot) + line);
      }
    }
  }

  const model::RowsView rows_;
  const double w0_;
  const size_t candidate_features_;
  const std::vector<Request>& requests_;
  const std::vector<float> xs_;
  const model::AccumulateFn accumulate_;
};

// A graph with the tensors of every request made beforehand.
class OrtScorer {
 public:
  OrtScorer(const OrtLibrary& library, const Model& model, const RequestShape& shape,
            const GraphForm& form, const std::vector<Request>& requests)
      : scores_(static_cast<size_t>(shape.candidates)) {
    std::vector<const char*> names = {"candidates"};
    if (shape.context_features > 0) names.push_back("context");
    model_ = OrDie(OrtModel::Create(library, BuildFmGraph(model.tables(), shape, form),
                                    std::move(names), "scores"));
    output_ =
        OrDie(OrtTensor::Create(library, std::span(scores_), std::span(&shape.candidates, 1)));
    ids_.reserve(requests.size() * 2);  // tensors point into it
    for (const Request& request : requests) AddRequest(library, shape, form, request);
  }

  void Score(size_t number, std::span<float> scores) const {
    if (absl::Status status = model_.Run(inputs_[number], output_); !status.ok()) Die(status);
    std::copy(scores_.begin(), scores_.end(), scores.begin());
  }

 private:
  void AddRequest(const OrtLibrary& library, const RequestShape& shape, const GraphForm& form,
                  const Request& request) {
    const auto features = static_cast<size_t>(shape.features_per_candidate);
    const size_t candidates = scores_.size();
    std::vector<int32_t> ids(request.candidates.begin(), request.candidates.end());
    std::vector<int64_t> dims = {shape.candidates, shape.features_per_candidate};
    if (form.feature_major) {
      std::swap(dims[0], dims[1]);
      for (size_t i = 0; i < ids.size(); ++i) {
        ids[i % features * candidates + i / features] = static_cast<int32_t>(request.candidates[i]);
      }
    }
    std::vector<OrtTensor>& inputs = inputs_.emplace_back();
    ids_.push_back(std::move(ids));
    inputs.push_back(
        OrDie(OrtTensor::Create(library, std::span<const int32_t>(ids_.back()), dims)));
    if (shape.context_features == 0) return;
    ids_.emplace_back(request.context.begin(), request.context.end());
    inputs.push_back(OrDie(OrtTensor::Create(library, std::span<const int32_t>(ids_.back()),
                                             std::span(&shape.context_features, 1))));
  }

  mutable std::vector<float> scores_;
  OrtModel model_;
  OrtTensor output_;
  std::vector<std::vector<int32_t>> ids_;
  std::vector<std::vector<OrtTensor>> inputs_;
};

std::vector<Contestant> MakeContestants(const OrtLibrary& library, const Model& model,
                                        const RequestShape& shape,
                                        const std::vector<Request>& requests) {
  std::vector<Contestant> all;
  const auto add = [&](std::string name, auto scorer) {
    all.push_back({std::move(name),
                   [scorer](size_t number, std::span<float> out) { scorer->Score(number, out); }});
  };
  add("fmserve, f32", std::make_shared<OurScorer>(model, shape, requests));
  for (const bool feature_major : {false, true}) {
    for (const auto tables :
         {GraphTables::kTextbook, GraphTables::kFoldedTwo, GraphTables::kFoldedOne}) {
      const GraphForm form{tables, feature_major};
      add("ONNX Runtime: " + Name(form),
          std::make_shared<OrtScorer>(library, model, shape, form, requests));
    }
  }
  return all;
}

// The largest difference of any score from ours, the first contestant's.
double LargestDifference(const std::vector<Contestant>& all, size_t candidates) {
  double largest = 0.0;
  std::vector<float> ours(candidates);
  std::vector<float> theirs(candidates);
  for (size_t number = 0; number < kRequests; ++number) {
    all[0].score(number, ours);
    for (const Contestant& contestant : all) {
      contestant.score(number, theirs);
      for (size_t c = 0; c < candidates; ++c) {
        const double difference = std::abs(double{ours[c]} - theirs[c]);
        if (std::isnan(difference)) return HUGE_VAL;
        largest = std::max(largest, difference);
      }
    }
  }
  return largest;
}

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void TakeTurns(const Arguments& arguments, size_t candidates, std::vector<Contestant>& all) {
  std::vector<float> scores(candidates);
  for (int repetition = 0; repetition < arguments.repetitions; ++repetition) {
    for (Contestant& contestant : all) {
      const double start = ProcessorSeconds();
      for (int i = 0; i < arguments.requests; ++i) {
        contestant.score(static_cast<size_t>(i) % kRequests, scores);
      }
      contestant.request_us.push_back((ProcessorSeconds() - start) / arguments.requests * 1e6);
    }
  }
}

struct Spread {
  explicit Spread(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    min = values.front();
    median = values[values.size() / 2];
    max = values.back();
  }
  json ToJson() const { return {{"median", median}, {"min", min}, {"max", max}}; }
  double min = 0.0;
  double median = 0.0;
  double max = 0.0;
};

// Prints times and verdict of one shape.
json Report(const RequestShape& shape, const std::vector<Contestant>& all, double difference) {
  absl::PrintF("%d candidates of %d features, %d of the context; scores differ by at most %.1e\n",
               shape.candidates, shape.features_per_candidate, shape.context_features, difference);
  json times = json::object();
  size_t fastest = 1;
  for (size_t i = 0; i < all.size(); ++i) {
    const Spread us(all[i].request_us);
    absl::PrintF("  %-48s %8.1f us   %.1f .. %.1f\n", all[i].name, us.median, us.min, us.max);
    times[all[i].name] = us.ToJson();
    if (i > 1 && us.median < Spread(all[fastest].request_us).median) fastest = i;
  }
  std::vector<double> ratios;
  for (size_t i = 0; i < all[0].request_us.size(); ++i) {
    ratios.push_back(all[fastest].request_us[i] / all[0].request_us[i]);
  }
  const Spread ratio(ratios);
  const bool met = ratio.median >= kWantedRatio;
  absl::PrintF("  throughput over that of their fastest: %.2f   %.2f .. %.2f   %s: at least %g\n",
               ratio.median, ratio.min, ratio.max, met ? "met" : "MISSED", kWantedRatio);
  return {{"candidates", shape.candidates},
          {"features_per_candidate", shape.features_per_candidate},
          {"context_features", shape.context_features},
          {"largest_difference", difference},
          {"request_us", times},
          {"fastest", all[fastest].name},
          {"ratio", ratio.ToJson()},
          {"at_least", kWantedRatio},
          {"met", met}};
}

int Compare(const Arguments& arguments) {
  const OrtLibrary& library = *OrDie(OrtLibrary::Load(arguments.library));
  const Model model(arguments.rows);
  absl::PrintF("ONNX Runtime %s, fmserve's kernels %s; %d rows, k = %d\n", library.version(),
               OrDie(model::DefaultKernels())->name, arguments.rows, kFactors);
  json results = json::array();
  bool met = true;
  for (const RequestShape& shape : kShapes) {
    const std::vector<Request> requests = DrawRequests(shape, arguments.rows);
    std::vector<Contestant> all = MakeContestants(library, model, shape, requests);
    const auto candidates = static_cast<size_t>(shape.candidates);
    const double difference = LargestDifference(all, candidates);
    if (!(difference <= kTolerance)) {
      absl::FPrintF(stderr, "onnx_runtime_compare: scores differ by %g\n", difference);
      return 1;
    }
    TakeTurns(arguments, candidates, all);
    results.push_back(Report(shape, all, difference));
    met = met && results.back()["met"];
  }
  if (!arguments.json_path.empty()) {
    std::ofstream file(arguments.json_path);
    file << json{{"onnx_runtime", library.version()}, {"rows", arguments.rows}, {"shapes", results}}
                .dump(2)
         << "\n";
    if (!file.flush()) Die(absl::UnavailableError("cannot write " + arguments.json_path));
  }
  return met ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Times a factorization machine in ONNX Runtime and in fmserve, in turns.",
               "onnx_runtime_compare");
  Arguments arguments;
  app.add_option("--library", arguments.library, "libonnxruntime.so")->required();
  app.add_option("--rows", arguments.rows, "Rows of the model")
      ->capture_default_str()
      ->check(CLI::Range(1, 20'000'000));
  app.add_option("--repetitions", arguments.repetitions, "Turns of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--requests", arguments.requests, "Requests per turn")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--json", arguments.json_path, "Write the figures there too");
  CLI11_PARSE(app, argc, argv);
  return Compare(arguments);
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
