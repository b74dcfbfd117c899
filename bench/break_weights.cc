// break_weights: a weight file that passes every check of its own and predicts nonsense, for
// bench/live_gates.py. Its goldens are those of the broken weights, as a broken trainer writes
// them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/feature_encoder.h"
#include "model/kernels/kernels.h"
#include "model/quantization.h"
#include "model/scorer.h"
#include "model/weight_file.h"
#include "model/weight_format.h"
#include "model/weight_writer.h"

namespace fmserve::bench {
namespace {

constexpr uint64_t kSeed = 1;

struct Arguments {
  std::string from;
  std::string to;
  bool permute = false;
  bool permute_in_fields = false;
  double shift = 0.0;
  std::string drop_field;
};

struct Row {
  uint64_t key = 0;
  uint8_t field = 0;
  std::string value{};
  float w = 0.0F;
  std::vector<float> v;
};

std::vector<Row> ReadRows(const model::WeightFile& file) {
  std::vector<Row> rows;
  const model::RowsView& view = file.rows();
  for (uint64_t slot = 0; slot < view.slots_count; ++slot) {
    model::format::RowPrefix prefix;
    std::memcpy(&prefix, view.row(slot), sizeof(prefix));
    if (prefix.key == model::format::kEmptyKey) continue;
    const auto name = file.name(static_cast<uint32_t>(slot));
    Row row{.key = prefix.key, .w = prefix.w, .v = std::vector<float>(view.k)};
    if (name) {
      row.field = name->field;
      row.value = std::string(name->value);
    }
    model::DecodeRow(view.quantization, view.row(slot), row.v);
    rows.push_back(std::move(row));
  }
  return rows;
}

// Exchanges the weights of rows, all or those of one field.
void Permute(std::vector<Row*> rows) {
  std::mt19937_64 random(kSeed);
  for (size_t i = rows.size(); i > 1; --i) {
    Row& other = *rows[random() % i];
    std::swap(rows[i - 1]->w, other.w);
    std::swap(rows[i - 1]->v, other.v);
  }
}

absl::Status Break(const Arguments& arguments, const model::FeatureSchema& schema,
                   std::vector<Row>& rows) {
  if (!arguments.drop_field.empty()) {
    const auto field = schema.Find(arguments.drop_field);
    if (!field) return absl::InvalidArgumentError("--drop-field: there is no such field");
    std::erase_if(rows, [&](const Row& row) { return row.field == *field; });
  }
  std::vector<std::vector<Row*>> groups(arguments.permute_in_fields ? schema.size() : 1);
  for (Row& row : rows) groups[arguments.permute_in_fields ? row.field : 0].push_back(&row);
  if (arguments.permute || arguments.permute_in_fields) {
    for (const std::vector<Row*>& group : groups) Permute(group);
  }
  return absl::OkStatus();
}

absl::Status Write(const model::WeightFile& file, const std::vector<Row>& rows, double shift,
                   const std::vector<model::Golden>& goldens, const std::string& path) {
  const model::WeightInfo& info = file.info();
  model::WeightFileOptions options;
  options.model_name = info.model_name;
  options.created_unix_us = info.created_unix_us;
  options.task = info.task;
  options.quantization = info.quantization;
  options.link = info.link;
  options.calibration = info.calibration;
  options.k = info.k;
  options.w0 = info.w0 + shift;
  options.schema = file.schema();
  options.field_matrix = file.field_matrix();
  model::WeightWriter writer(std::move(options));
  for (const Row& row : rows) {
    const absl::Status added = writer.AddRow(
        {.key = row.key, .field = row.field, .value = row.value, .w = row.w, .v = row.v});
    if (!added.ok()) return added;
  }
  for (const model::Golden& golden : goldens) writer.AddGolden(golden);
  writer.SetMetadata(file.metadata());
  return writer.Finish(path);
}

absl::StatusOr<model::FeatureList> Encode(const model::FeatureSchema& schema,
                                          const model::Golden& golden, model::Side side) {
  model::FeatureList features;
  model::FeatureEncoder encoder(schema, &features);
  encoder.Begin(side);
  for (size_t field = 0; field < schema.size(); ++field) {
    if (schema.field(field).side != side) continue;
    if (absl::Status added = encoder.AddText(field, golden.cells[field]); !added.ok()) return added;
  }
  if (absl::Status ended = encoder.End(); !ended.ok()) return ended;
  return features;
}

// What the weights of `path` make of the examples.
absl::StatusOr<std::vector<model::Golden>> ScoreGoldens(const std::string& path,
                                                        std::vector<model::Golden> goldens) {
  const auto file = model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  const auto kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  const model::Scorer scorer(**file, **kernels);
  for (model::Golden& golden : goldens) {
    const auto context = Encode((*file)->schema(), golden, model::Side::kContext);
    if (!context.ok()) return context.status();
    const auto item = Encode((*file)->schema(), golden, model::Side::kItem);
    if (!item.ok()) return item.status();
    golden.score = scorer.Explain(context->view(), item->view()).score;
  }
  return goldens;
}

absl::Status Run(const Arguments& arguments) {
  const auto file = model::WeightFile::Open(arguments.from);
  if (!file.ok()) return file.status();
  std::vector<Row> rows = ReadRows(**file);
  if (absl::Status broken = Break(arguments, (*file)->schema(), rows); !broken.ok()) return broken;
  if (absl::Status written = Write(**file, rows, arguments.shift, {}, arguments.to); !written.ok())
    return written;
  const auto goldens = ScoreGoldens(arguments.to, (*file)->goldens());
  if (!goldens.ok()) return goldens.status();
  return Write(**file, rows, arguments.shift, *goldens, arguments.to);
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Breaks the weights of a file in a way that no check of the file itself can see.");
  app.add_option("from", arguments.from, "Weight file with names")->required();
  app.add_option("to", arguments.to, "Weight file to write")->required();
  app.add_flag("--permute", arguments.permute, "Exchange the weights of all features at random");
  app.add_flag("--permute-in-fields", arguments.permute_in_fields,
               "The same, but only within each field");
  app.add_option("--shift", arguments.shift, "Added to every score");
  app.add_option("--drop-field", arguments.drop_field, "Leave the features of this field out");
  CLI11_PARSE(app, argc, argv);
  const absl::Status done = Run(arguments);
  if (done.ok()) return 0;
  std::cerr << "break_weights: " << done.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
