// trained_topk: the exact best K of a catalogue of trained items on one core, and what it gains
// that the scan, sorted by norm, ends as soon as nobody who follows can come among them.
//
// A scan that cannot end early is one of as many items whose norms are all alike: random ones of
// the same number of factors, in turns with the trained ones. The gain is the time of that over the
// time of the trained, within each turn. Of the first contexts a scan of all items in double
// precision has to find the same items before anything is timed. Processor time decides.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/random_catalogue.h"
#include "bench/turns.h"
#include "tools/table_model.h"
#include "tools/topk/user_reader.h"

namespace fmserve::model {
namespace {

using nlohmann::json;

constexpr size_t kNumbersOfBest[] = {100, 10};
constexpr uint32_t kItemsPerQuestion = 16384;  // of FoldedCatalogue::Best
constexpr double kTolerance = 1e-9;
constexpr size_t kCheckedContexts = 4;
constexpr size_t kQueriesOfFullScans = 24;  // per turn

struct Arguments {
  std::string weights_path;
  std::string catalogue_path;
  std::string users_path;
  std::string user_column;
  size_t contexts = 100;
  int rounds = 5;
  std::string json_path;
};

using Contexts = std::vector<std::unique_ptr<Scratch>>;

// A catalogue and who asks for its best items.
struct Contestant {
  std::shared_ptr<const FoldedCatalogue> catalogue;
  Contexts contexts;
};

Contestant OpenTrained(const Arguments& arguments) {
  const tools::TableModel model = OrDie(tools::OpenTableModel(arguments.weights_path, ""));
  const KernelTable& kernels = *OrDie(DefaultKernels());
  Contestant trained;
  trained.catalogue = OrDie(FoldedCatalogue::Fold(
      model.file, OrDie(CatalogueFile::Open(arguments.catalogue_path)), kernels));
  const auto users =
      OrDie(tools::UserReader::Open(arguments.users_path, model, arguments.user_column));
  tools::UserBatch batch;
  OrDie(users->Read(arguments.contexts, batch));
  const Scorer scorer(*model.file, kernels);
  for (size_t user = 0; user < batch.users.size(); ++user) {
    trained.contexts.push_back(std::make_unique<Scratch>());
    scorer.ScoreContext(batch.context(user), *trained.contexts.back());
  }
  return trained;
}

// The best of all items for each of these contexts, without int8, order or bound.
std::vector<std::vector<RankedItem>> BestByBruteForce(const FoldedCatalogue& catalogue,
                                                      std::span<const std::unique_ptr<Scratch>> of,
                                                      size_t k) {
  const CatalogueFile& file = catalogue.file();
  const Scorer scorer(catalogue.weights(), *OrDie(DefaultKernels()));
  Scratch scratch;
  std::vector<std::vector<RankedItem>> all(of.size());
  for (uint32_t item = 0; item < file.size(); ++item) {
    const FoldedItem folded = scorer.Fold(file.features(item), scratch);
    for (size_t i = 0; i < of.size(); ++i) {
      double product = 0.0;
      for (size_t f = 0; f < folded.vector.size(); ++f)
        product += double{folded.vector[f]} * of[i]->context_sums()[f];
      all[i].push_back({item, of[i]->context_score() + (folded.bias + product)});
    }
  }
  for (std::vector<RankedItem>& items : all) {
    const auto last = items.begin() + static_cast<std::ptrdiff_t>(std::min(k, items.size()));
    std::partial_sort(items.begin(), last, items.end(), [](const auto& a, const auto& b) {
      return a.score != b.score ? a.score > b.score : a.item < b.item;
    });
    items.erase(last, items.end());
  }
  return all;
}

absl::Status CheckExact(const Contestant& contestant) {
  const std::span of =
      std::span(contestant.contexts).first(std::min(kCheckedContexts, contestant.contexts.size()));
  const auto wanted = BestByBruteForce(*contestant.catalogue, of, kNumbersOfBest[0]);
  TopKMemory memory;
  for (size_t i = 0; i < of.size(); ++i) {
    const TopK top = contestant.catalogue->Best(
        *of[i], kNumbersOfBest[0], nullptr, [] { return true; }, memory);
    if (top.items.size() != wanted[i].size())
      return absl::InternalError(absl::StrCat("context ", i, ": ", top.items.size(), " items"));
    for (size_t rank = 0; rank < top.items.size(); ++rank) {
      const auto [item, score] = top.items[rank];
      if (item == wanted[i][rank].item && std::abs(score - wanted[i][rank].score) <= kTolerance)
        continue;
      return absl::InternalError(absl::StrCat("context ", i, ", rank ", rank, ": item ", item,
                                              " of score ", score, ", not ", wanted[i][rank].item,
                                              " of ", wanted[i][rank].score));
    }
  }
  return absl::OkStatus();
}

void Search(const Contestant& contestant, size_t queries, size_t k, TopKMemory& memory) {
  for (size_t i = 0; i < queries; ++i) {
    contestant.catalogue->Best(
        *contestant.contexts[i % contestant.contexts.size()], k, nullptr, [] { return true; },
        memory);
  }
}

// Per context the share of the items that was scanned, at most: Best asks before every so many.
json ScannedShares(const Contestant& contestant, size_t k) {
  std::vector<double> shares;
  TopKMemory memory;
  for (const auto& context : contestant.contexts) {
    double questions = 0;
    const auto keep_going = [&questions] {
      ++questions;
      return true;
    };
    contestant.catalogue->Best(*context, k, nullptr, keep_going, memory);
    shares.push_back(
        std::min(1.0, questions * kItemsPerQuestion / contestant.catalogue->file().size()));
  }
  return Summary(std::move(shares));
}

json TakeTurns(const Contestant& trained, const Contestant& alike, int rounds, size_t k) {
  TopKMemory memory;
  Search(trained, trained.contexts.size(), k, memory);
  Search(alike, kQueriesOfFullScans, k, memory);
  std::vector<double> trained_ms;
  std::vector<double> full_ms;
  std::vector<double> gains;
  for (int round = 0; round < rounds; ++round) {
    full_ms.push_back(MillisecondsPerQuery(kQueriesOfFullScans,
                                           [&] { Search(alike, kQueriesOfFullScans, k, memory); }));
    trained_ms.push_back(MillisecondsPerQuery(
        trained.contexts.size(), [&] { Search(trained, trained.contexts.size(), k, memory); }));
    gains.push_back(full_ms.back() / trained_ms.back());
  }
  json result = {{"k", k},
                 {"ms", Summary(trained_ms)},
                 {"full_scan_ms", Summary(full_ms)},
                 {"gain", Summary(gains)},
                 {"scanned_share", ScannedShares(trained, k)}};
  for (const char* name : {"ms", "full_scan_ms", "gain", "scanned_share"}) {
    const json& summary = result[name];
    absl::PrintF("best %d, %s: %.3g (%.3g .. %.3g)\n", k, name, summary["median"].get<double>(),
                 summary["min"].get<double>(), summary["max"].get<double>());
  }
  return result;
}

int Compare(const Arguments& arguments) {
  const Contestant trained = OpenTrained(arguments);
  const uint32_t items_count = trained.catalogue->file().size();
  if (trained.catalogue->weights().info().k != kItemFactors) {
    absl::FPrintF(stderr, "%s: trained_topk compares with items of %d factors; train with --k %d\n",
                  arguments.weights_path, kItemFactors, kItemFactors);
    return 3;
  }
  OrDie(CheckExact(trained));
  Contestant alike;
  alike.catalogue = MakeRandomCatalogue(items_count, /*skewed=*/false);
  alike.contexts = ScoreContexts(*alike.catalogue);
  absl::PrintF("kernels %s; %d items, %d contexts\n", OrDie(DefaultKernels())->name, items_count,
               trained.contexts.size());
  json report = {{"items", items_count}, {"best", json::array()}};
  for (const size_t k : kNumbersOfBest)
    report["best"].push_back(TakeTurns(trained, alike, arguments.rounds, k));
  if (!arguments.json_path.empty()) {
    std::ofstream file(arguments.json_path);
    file << report.dump(2) << "\n";
    if (!file.flush()) OrDie(absl::UnavailableError("cannot write " + arguments.json_path));
  }
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Times the best K of trained items beside a scan that cannot end early.",
               "trained_topk");
  Arguments arguments;
  app.add_option("--weights", arguments.weights_path, "Weight file with 64 factors")->required();
  app.add_option("--catalogue", arguments.catalogue_path, "Catalogue of its items")->required();
  app.add_option("--users", arguments.users_path, "Table whose first rows are the contexts")
      ->required();
  app.add_option("--user", arguments.user_column, "Column of that table with the user")->required();
  app.add_option("--contexts", arguments.contexts, "Rows of that table")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--rounds", arguments.rounds, "Turns of each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--json", arguments.json_path, "Write the figures there too");
  CLI11_PARSE(app, argc, argv);
  return Compare(arguments);
}

}  // namespace
}  // namespace fmserve::model

int main(int argc, char** argv) { return fmserve::model::Main(argc, argv); }
