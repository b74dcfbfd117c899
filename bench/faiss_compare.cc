// faiss_compare: the exact best 100 of a million items by inner product in Debian's faiss
// (IndexFlatIP) and in our scan, on the same items and contexts, one thread. Both have to name the
// same items before anything is timed; then both take turns, and the ratios are those within each
// turn. Processor time decides. Both get one query per call, and then all in one call, which faiss
// hands to BLAS.
//
// faiss takes the folded items as they are, (vector, bias) against (context sums, 1): 65 floats.
#include <dlfcn.h>
#include <faiss/IndexFlat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/random_catalogue.h"
#include "bench/turns.h"

// NOLINTNEXTLINE(readability-identifier-naming): as in <omp.h>, which clang does not find
extern "C" void omp_set_num_threads(int count);

namespace fmserve::model {
namespace {

using nlohmann::json;

constexpr size_t kBest = 100;
constexpr size_t kColumns = kItemFactors + 1;
constexpr double kTolerance = 1e-4;  // of scores of about 30, summed in f32 by faiss
constexpr double kWantedRatio = 10.0;
constexpr double kWantedBatchRatio = 1.0;

struct Arguments {
  int64_t items = 1'000'000;
  int rounds = 7;
  size_t queries = 16;  // one after the other, per turn
  std::string json_path;
};

// What each contestant found: kBest items per context, the best first.
struct Found {
  std::vector<faiss::Index::idx_t> items;
  std::vector<float> scores;
  explicit Found(size_t contexts) : items(contexts * kBest), scores(contexts * kBest) {}
};

class Contest {
 public:
  explicit Contest(int64_t items)
      : catalogue_(MakeRandomCatalogue(items, /*skewed=*/false)),
        contexts_(ScoreContexts(*catalogue_)),
        index_(kColumns),
        memories_(contexts_.size()),
        tops_(contexts_.size()) {
    const CatalogueFile& file = catalogue_->file();
    const Scorer scorer(catalogue_->weights(), *OrDie(DefaultKernels()));
    Scratch scratch;
    std::vector<float> columns;
    columns.reserve(file.size() * kColumns);
    for (uint32_t item = 0; item < file.size(); ++item) {
      const FoldedItem folded = scorer.Fold(file.features(item), scratch);
      columns.insert(columns.end(), folded.vector.begin(), folded.vector.begin() + kItemFactors);
      columns.push_back(static_cast<float>(folded.bias));
    }
    index_.add(file.size(), columns.data());
    for (const auto& context : contexts_) {
      const std::span<const float> sums = context->context_sums().first(kItemFactors);
      queries_.insert(queries_.end(), sums.begin(), sums.end());
      queries_.push_back(1.0F);
      asked_.push_back({.context = context.get(), .k = kBest, .filter = nullptr});
    }
  }

  size_t size() const { return contexts_.size(); }

  // The first `count` contexts, `at_once` of them per call.
  void SearchTheirs(size_t count, size_t at_once, Found& found) const {
    for (size_t i = 0; i < count; i += at_once) {
      index_.search(static_cast<faiss::Index::idx_t>(std::min(at_once, count - i)),
                    queries_.data() + i * kColumns, kBest, found.scores.data() + i * kBest,
                    found.items.data() + i * kBest);
    }
  }

  void SearchOurs(size_t count, size_t at_once, Found& found) {
    for (size_t i = 0; i < count; i += at_once) {
      const size_t size = std::min(at_once, count - i);
      catalogue_->BestOfEach(
          std::span(asked_).subspan(i, size), [](size_t) { return true; },
          std::span(memories_).first(size), std::span(tops_).first(size));
      for (size_t j = 0; j < size; ++j) Copy(i + j, tops_[j], found);
    }
  }

 private:
  void Copy(size_t context, const TopK& top, Found& found) const {
    for (size_t rank = 0; rank < top.items.size(); ++rank) {
      const auto [item, score] = top.items[rank];
      found.items[context * kBest + rank] = item;
      found.scores[context * kBest + rank] =
          static_cast<float>(score - contexts_[context]->context_score());
    }
  }

  std::shared_ptr<const FoldedCatalogue> catalogue_;
  std::vector<std::unique_ptr<Scratch>> contexts_;
  faiss::IndexFlatIP index_;
  std::vector<float> queries_;       // theirs
  std::vector<ContextQuery> asked_;  // ours
  std::vector<TopKMemory> memories_;
  std::vector<TopK> tops_;
};

// The same scores rank by rank, and of each context the same items but for those so close to the
// last that the roundings of faiss decide.
absl::Status CheckSame(const Found& ours, const Found& theirs) {
  for (size_t i = 0; i < ours.items.size(); ++i) {
    const size_t first = i / kBest * kBest;
    if (!(std::abs(ours.scores[i] - theirs.scores[i]) <= kTolerance)) {
      return absl::InternalError(absl::StrCat("context ", i / kBest, ", rank ", i % kBest,
                                              ": we score ", ours.scores[i], ", faiss ",
                                              theirs.scores[i]));
    }
    const auto begin = theirs.items.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::find(begin, begin + kBest, ours.items[i]) != begin + kBest) continue;
    if (ours.scores[i] - ours.scores[first + kBest - 1] <= kTolerance) continue;
    return absl::InternalError(
        absl::StrCat("context ", i / kBest, ": faiss did not find item ", ours.items[i]));
  }
  return absl::OkStatus();
}

// Both take turns over the first `queries` contexts, `at_once` of them per call.
json TakeTurns(Contest& contest, int rounds, size_t queries, size_t at_once, double at_least) {
  std::vector<double> ours_ms;
  std::vector<double> theirs_ms;
  std::vector<double> ratios;
  Found found(contest.size());
  for (int round = 0; round < rounds; ++round) {
    theirs_ms.push_back(
        MillisecondsPerQuery(queries, [&] { contest.SearchTheirs(queries, at_once, found); }));
    ours_ms.push_back(
        MillisecondsPerQuery(queries, [&] { contest.SearchOurs(queries, at_once, found); }));
    ratios.push_back(theirs_ms.back() / ours_ms.back());
  }
  const json theirs = Summary(theirs_ms);
  const json ours = Summary(ours_ms);
  const json ratio = Summary(ratios);
  const bool met = ratio["median"] >= at_least;
  absl::PrintF("%d per call: faiss %.2f ms a query (%.2f .. %.2f); ours %.2f (%.2f .. %.2f)\n",
               at_once, theirs["median"].get<double>(), theirs["min"].get<double>(),
               theirs["max"].get<double>(), ours["median"].get<double>(), ours["min"].get<double>(),
               ours["max"].get<double>());
  absl::PrintF("  throughput over theirs: %.2f   %.2f .. %.2f   %s: at least %g\n",
               ratio["median"].get<double>(), ratio["min"].get<double>(),
               ratio["max"].get<double>(), met ? "met" : "MISSED", at_least);
  return {{"queries_per_call", at_once}, {"faiss_ms", theirs}, {"ours_ms", ours}, {"ratio", ratio},
          {"at_least", at_least},        {"met", met}};
}

// The folder of the BLAS that faiss calls, which names its vendor: Debian's alternatives decide.
std::string BlasName() {
  Dl_info info{};
  void* const sgemm = dlsym(RTLD_DEFAULT, "sgemm_");
  if (sgemm == nullptr || dladdr(sgemm, &info) == 0) return "unknown BLAS";
  std::error_code error;
  const auto path = std::filesystem::canonical(info.dli_fname, error);
  return path.parent_path().filename().string();
}

int Compare(const Arguments& arguments) {
  omp_set_num_threads(1);
  Contest contest(arguments.items);
  const std::string blas = BlasName();
  absl::PrintF("faiss with %s, fmserve's kernels %s; the best %d of %d items of %d factors\n", blas,
               OrDie(DefaultKernels())->name, kBest, arguments.items, kItemFactors);
  for (const size_t at_once : {size_t{1}, contest.size()}) {
    Found ours(contest.size());
    Found theirs(contest.size());
    contest.SearchOurs(contest.size(), at_once, ours);
    contest.SearchTheirs(contest.size(), at_once, theirs);
    OrDie(CheckSame(ours, theirs));
  }

  const json modes = {
      TakeTurns(contest, arguments.rounds, std::min(arguments.queries, contest.size()), 1,
                kWantedRatio),
      TakeTurns(contest, arguments.rounds, contest.size(), contest.size(), kWantedBatchRatio)};
  if (!arguments.json_path.empty()) {
    std::ofstream file(arguments.json_path);
    file << json{{"blas", blas}, {"items", arguments.items}, {"modes", modes}}.dump(2) << "\n";
    if (!file.flush()) OrDie(absl::UnavailableError("cannot write " + arguments.json_path));
  }
  return modes[0]["met"] && modes[1]["met"] ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Times the exact best 100 in faiss and in fmserve, in turns.", "faiss_compare");
  Arguments arguments;
  app.add_option("--items", arguments.items, "Items of the catalogue")
      ->capture_default_str()
      ->check(CLI::Range(1000, 20'000'000));
  app.add_option("--rounds", arguments.rounds, "Turns of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--queries", arguments.queries, "Queries of a turn, one after the other")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--json", arguments.json_path, "Write the figures there too");
  CLI11_PARSE(app, argc, argv);
  return Compare(arguments);
}

}  // namespace
}  // namespace fmserve::model

int main(int argc, char** argv) { return fmserve::model::Main(argc, argv); }
