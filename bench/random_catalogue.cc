#include "bench/random_catalogue.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>

#include "model/catalogue_writer.h"
#include "model/weight_writer.h"

namespace fmserve::model {
namespace {

FeatureSchema Schema() {
  std::vector<Field> fields(2);
  fields[0].name = "user";
  fields[0].value_type = ValueType::kInteger;
  fields[1].name = "item";
  fields[1].value_type = ValueType::kInteger;
  fields[1].side = Side::kItem;
  return OrDie(FeatureSchema::Create(std::move(fields)));
}

std::string TemporaryPath(const char* suffix) {
  return std::filesystem::temp_directory_path() /
         ("fmserve_bench_" + std::to_string(getpid()) + suffix);
}

std::shared_ptr<const WeightFile> MakeWeights(int64_t items_count, bool skewed, uint32_t factors) {
  const FeatureSchema schema = Schema();
  WeightFileOptions options;
  options.model_name = "bench";
  options.quantization = Quantization::kF16;
  options.k = factors;
  options.schema = schema;
  options.with_names = false;
  WeightWriter writer(std::move(options));
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(1e-3F, 1.0F);
  std::vector<float> v(factors);
  const auto add = [&](uint8_t field, int64_t value, float norm) {
    for (float& factor : v) factor = norm * normal(random);
    OrDie(writer.AddRow({ValueKey(schema.seed(field), value), field, "", 0.1F * norm, v}));
  };
  for (int64_t user = 0; user < kContexts; ++user) add(0, user, 1.0F);
  // Rare items have hardly left the origin, popular ones have: norms fall like a power of the rank.
  for (int64_t item = 0; item < items_count; ++item)
    add(1, item, skewed ? std::pow(uniform(random), 3.0F) : 1.0F);
  const std::string path = TemporaryPath(".fmw");
  OrDie(writer.Finish(path));
  auto file = OrDie(WeightFile::Open(path));
  unlink(path.c_str());
  return file;
}

std::shared_ptr<const CatalogueFile> MakeCatalogue(int64_t items_count) {
  CatalogueOptions options;
  options.model_name = "bench";
  options.schema = Schema();
  options.attributes = {"share"};
  const uint64_t seed = options.schema.seed(1);
  CatalogueWriter writer(std::move(options));
  std::mt19937_64 random(9);
  FeatureList features;
  std::vector<std::string> names;
  for (const int64_t share : kShares) names.push_back(std::to_string(share));
  std::vector<std::vector<std::string_view>> values(1);
  for (int64_t item = 0; item < items_count; ++item) {
    features.Clear();
    features.Add(ValueKey(seed, item), 1.0F, 1);
    values[0].clear();
    for (size_t i = 0; i < names.size(); ++i) {
      if (random() % static_cast<uint64_t>(kShares[i]) == 0) values[0].emplace_back(names[i]);
    }
    CatalogueItem entry;
    entry.id = static_cast<uint64_t>(item);
    entry.features = features.view();
    entry.values = values;
    OrDie(writer.Add(entry));
  }
  const std::string path = TemporaryPath(".fmc");
  OrDie(writer.Finish(path));
  auto file = OrDie(CatalogueFile::Open(path));
  unlink(path.c_str());
  return file;
}

}  // namespace

void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::shared_ptr<const FoldedCatalogue> MakeRandomCatalogue(int64_t items_count, bool skewed,
                                                           ItemVectors item_vectors,
                                                           uint32_t factors) {
  return OrDie(FoldedCatalogue::Fold(MakeWeights(items_count, skewed, factors),
                                     MakeCatalogue(items_count), *OrDie(DefaultKernels()),
                                     NeverStop, item_vectors));
}

std::vector<std::unique_ptr<Scratch>> ScoreContexts(const FoldedCatalogue& catalogue) {
  const Scorer scorer(catalogue.weights(), *OrDie(DefaultKernels()));
  const uint64_t seed = catalogue.weights().schema().seed(0);
  std::vector<std::unique_ptr<Scratch>> contexts;
  for (int64_t user = 0; user < kContexts; ++user) {
    FeatureList context;
    context.Add(ValueKey(seed, user), 1.0F, 0);
    contexts.push_back(std::make_unique<Scratch>());
    scorer.ScoreContext(context.view(), *contexts.back());
  }
  return contexts;
}

}  // namespace fmserve::model
