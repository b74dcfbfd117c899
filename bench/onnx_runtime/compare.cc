// onnx_runtime_compare: the same factorization machine in ONNX Runtime and in our kernels, on the
// same ids with their rows known, one thread. Everything has to agree before anything is timed;
// then all take turns, and the ratios are those within each turn. Processor time decides.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "bench/onnx_runtime/contestants.h"
#include "model/kernels/kernels.h"

namespace fmserve::bench {
namespace {

using nlohmann::json;

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
  bool as_it_comes = false;
  std::string json_path;
};

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

// Prints times of one shape, and the verdict if there is a bar.
json Report(const RequestShape& shape, const std::vector<Contestant>& all, double difference,
            bool has_bar) {
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
  absl::PrintF("  throughput over that of their fastest: %.2f   %.2f .. %.2f", ratio.median,
               ratio.min, ratio.max);
  json report = {{"candidates", shape.candidates},
                 {"features_per_candidate", shape.features_per_candidate},
                 {"context_features", shape.context_features},
                 {"largest_difference", difference},
                 {"request_us", times},
                 {"fastest", all[fastest].name},
                 {"ratio", ratio.ToJson()}};
  if (has_bar) {
    const bool met = ratio.median >= kWantedRatio;
    absl::PrintF("   %s: at least %g", met ? "met" : "MISSED", kWantedRatio);
    report["at_least"] = kWantedRatio;
    report["met"] = met;
  }
  absl::PrintF("\n");
  return report;
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
    std::vector<Contestant> all = MakeContestants(
        library, model, shape, arguments.as_it_comes ? TextbookForm() : AllForms(), requests);
    const auto candidates = static_cast<size_t>(shape.candidates);
    const double difference = LargestDifference(all, candidates);
    if (!(difference <= kTolerance)) {
      absl::FPrintF(stderr, "onnx_runtime_compare: scores differ by %g\n", difference);
      return 1;
    }
    TakeTurns(arguments, candidates, all);
    results.push_back(Report(shape, all, difference, !arguments.as_it_comes));
    met = met && results.back().value("met", true);
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
  app.add_flag("--as-it-comes", arguments.as_it_comes,
               "Only the graph of a textbook, and no bar: what is there without any effort");
  app.add_option("--json", arguments.json_path, "Write the figures there too");
  CLI11_PARSE(app, argc, argv);
  return Compare(arguments);
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
