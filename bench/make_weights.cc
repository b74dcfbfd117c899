// make_weights: a weight file of any size with random weights, and rows to make requests of; for
// measurements that care for bytes and cache lines, not for what the model has learned.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/dictionary.h"
#include "model/feature_schema.h"
#include "model/weight_writer.h"
#include "trainer/schema_yaml.h"

namespace fmserve::bench {
namespace {

constexpr size_t kGoldens = 50;
constexpr size_t kDataRows = 20'000;

struct Arguments {
  uint64_t rows = 4'000'000;
  size_t context_fields = 10;
  size_t item_fields = 10;
  bool strings = false;
  uint32_t k = 16;
  model::Quantization quantization = model::Quantization::kF32;
  double retrained = 0.0;  // share of rows whose weights are others
  double renewed = 0.0;    // share of values that others took the place of
  uint64_t seed = 1;
  std::string out;
  std::string data_dir;

  size_t fields() const { return context_fields + item_fields; }
  uint64_t values_per_field() const { return std::max<uint64_t>(1, rows / fields()); }
  uint64_t first_value() const {
    return static_cast<uint64_t>(renewed * static_cast<double>(values_per_field()));
  }
};

std::string SchemaYaml(const Arguments& arguments) {
  std::string yaml = "task: binary\nfields:\n";
  for (size_t f = 0; f < arguments.fields(); ++f) {
    absl::StrAppend(&yaml, "  - {name: f", f,
                    ", value_type: ", arguments.strings ? "string" : "integer",
                    ", side: ", f < arguments.context_fields ? "context" : "item", "}\n");
  }
  return yaml;
}

// Values are numbers, also where they are strings.
uint64_t KeyOf(const model::FeatureSchema& schema, size_t field, uint64_t value) {
  return schema.field(field).value_type == model::ValueType::kString
             ? model::ValueKey(schema.seed(field), absl::StrCat(value))
             : model::ValueKey(schema.seed(field), static_cast<int64_t>(value));
}

// Weights as a pure function of (seed, key, index): uniform in [-0.1, 0.1]. A share of the keys has
// those of another seed.
class RandomWeights {
 public:
  RandomWeights(uint64_t seed, double retrained, uint32_t k)
      : seed_(model::DictionaryHash::Mix(seed)), retrained_(retrained), v_(k) {}

  float w(uint64_t key) const { return Draw(key, 0); }
  const std::vector<float>& v(uint64_t key) {
    for (size_t i = 0; i < v_.size(); ++i) v_[i] = Draw(key, i + 1);
    return v_;
  }

 private:
  float Draw(uint64_t key, uint64_t index) const {
    const double place = static_cast<double>(model::DictionaryHash::Mix(key) >> 11) * 0x1p-53;
    const uint64_t seed = place < retrained_ ? ~seed_ : seed_;
    const uint64_t bits =
        model::DictionaryHash::Mix(key ^ model::DictionaryHash::Mix(seed + index));
    return static_cast<float>(bits >> 40) * 0x1p-24F * 0.2F - 0.1F;
  }

  uint64_t seed_;
  double retrained_;
  std::vector<float> v_;
};

// A row of the data: one value per field.
std::vector<uint64_t> DrawRow(const Arguments& arguments, std::mt19937_64& random) {
  const uint64_t first = arguments.first_value();
  std::uniform_int_distribution<uint64_t> values(first, first + arguments.values_per_field() - 1);
  std::vector<uint64_t> row(arguments.fields());
  for (uint64_t& value : row) value = values(random);
  return row;
}

model::Golden MakeGolden(const model::FeatureSchema& schema, const std::vector<uint64_t>& row,
                         RandomWeights& weights, uint32_t k) {
  std::vector<double> sums(k);
  std::vector<std::string> cells;
  double score = 0.0;
  for (size_t f = 0; f < row.size(); ++f) {
    cells.push_back(absl::StrCat(row[f]));
    const uint64_t key = KeyOf(schema, f, row[f]);
    const std::vector<float>& v = weights.v(key);
    score += weights.w(key);
    for (uint32_t i = 0; i < k; ++i) {
      score += v[i] * sums[i];
      sums[i] += v[i];
    }
  }
  return {.cells = std::move(cells), .score = score};
}

absl::Status WriteWeights(const Arguments& arguments, const model::FeatureSchema& schema) {
  RandomWeights weights(arguments.seed, arguments.retrained, arguments.k);
  model::WeightWriter writer({.model_name = "bench",
                              .quantization = arguments.quantization,
                              .calibration = {},
                              .k = arguments.k,
                              .schema = schema,
                              .with_names = false});
  for (size_t f = 0; f < arguments.fields(); ++f) {
    for (uint64_t i = 0; i < arguments.values_per_field(); ++i) {
      const uint64_t key = KeyOf(schema, f, arguments.first_value() + i);
      absl::Status status = writer.AddRow({.key = key,
                                           .field = static_cast<uint8_t>(f),
                                           .value = {},
                                           .w = weights.w(key),
                                           .v = weights.v(key)});
      if (!status.ok()) return status;
    }
  }
  std::mt19937_64 random(arguments.seed);
  // Goldens are computed from weights that have not been rounded.
  const bool exact = arguments.quantization == model::Quantization::kF32;
  for (size_t i = 0; exact && i < kGoldens; ++i) {
    writer.AddGolden(MakeGolden(schema, DrawRow(arguments, random), weights, arguments.k));
  }
  return writer.Finish(arguments.out);
}

absl::Status WriteData(const Arguments& arguments) {
  const std::filesystem::path dir = arguments.data_dir;
  std::filesystem::create_directories(dir);
  std::ofstream schema(dir / "schema.yaml");
  schema << SchemaYaml(arguments);
  std::ofstream rows(dir / "rows.tsv");
  for (size_t f = 0; f < arguments.fields(); ++f) rows << (f == 0 ? "" : "\t") << "f" << f;
  rows << "\n";
  std::mt19937_64 random(1);
  for (size_t i = 0; i < kDataRows; ++i) {
    rows << absl::StrJoin(DrawRow(arguments, random), "\t") << "\n";
  }
  schema.close();
  rows.close();
  return schema && rows ? absl::OkStatus()
                        : absl::UnavailableError("cannot write " + arguments.data_dir);
}

absl::Status Run(const Arguments& arguments) {
  const auto schema = trainer::ParseSchemaYaml(SchemaYaml(arguments), "schema.yaml");
  if (!schema.ok()) return schema.status();
  if (!arguments.data_dir.empty()) {
    if (absl::Status status = WriteData(arguments); !status.ok()) return status;
  }
  return WriteWeights(arguments, schema->features);
}

int Main(int argc, char** argv) {
  CLI::App app("Writes a weight file of random weights.", "make_weights");
  Arguments arguments;
  app.add_option("--rows", arguments.rows, "Rows, rounded down to a multiple of the fields")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 31));
  app.add_option("--context-fields", arguments.context_fields, "Fields of the user and page")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  app.add_option("--item-fields", arguments.item_fields, "Fields of the item")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_flag("--strings", arguments.strings, "Values are strings, not integers");
  app.add_option("--k", arguments.k, "Factors")->capture_default_str()->check(CLI::Range(1, 256));
  std::string quantization = "f32";
  app.add_option("--quantization", quantization, "Of the rows")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "f16", "int8"}));
  app.add_option("--retrained", arguments.retrained, "Share of rows with other weights")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--renewed", arguments.renewed, "Share of values that others replace")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", arguments.seed, "Another seed, other weights")->capture_default_str();
  app.add_option("--out", arguments.out, "Weight file")->required();
  app.add_option("--data", arguments.data_dir,
                 "Folder for schema.yaml and rows.tsv; the same for every seed");
  app.footer("Example:\n  make_weights --rows 4000000 --seed 2 --out big.fmw --data big");
  CLI11_PARSE(app, argc, argv);
  for (const auto known : {model::Quantization::kF16, model::Quantization::kInt8}) {
    if (model::Name(known) == quantization) arguments.quantization = known;
  }
  const absl::Status status = Run(arguments);
  if (!status.ok()) std::cerr << "make_weights: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
