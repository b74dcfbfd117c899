// Writes the golden files of the format versions that this program writes: make_golden_files
// <directory>. tests/golden/README.md says when.
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/catalogue_writer.h"
#include "model/weight_writer.h"
#include "tests/model/sample_catalogue.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

constexpr uint64_t kCreatedUnixUs = 1'795'000'000'000'000;

absl::StatusOr<FeatureSchema> ExampleSchema() {
  std::vector<Field> fields(2);
  fields[0].name = "user";
  fields[1].name = "ad";
  fields[1].value_type = ValueType::kInteger;
  fields[1].side = Side::kItem;
  return FeatureSchema::Create(std::move(fields));
}

// The worked example of WEIGHT_FORMAT.md: every number is a short binary fraction, so that all sums
// are exact.
absl::Status WriteExample(const std::string& path) {
  absl::StatusOr<FeatureSchema> schema = ExampleSchema();
  if (!schema.ok()) return schema.status();

  WeightFileOptions options;
  options.model_name = "ctr";
  options.version = 1;
  options.created_unix_us = kCreatedUnixUs;
  options.calibration = {.kind = CalibrationKind::kPlatt, .scale = 2.0, .offset = 0.5};
  options.k = 2;
  options.w0 = -1.0;
  options.schema = *schema;
  WeightWriter writer(options);
  const float ann[2] = {1.0F, -0.5F};
  const float seven[2] = {0.5F, 2.0F};
  const float nine[2] = {-1.5F, 0.25F};
  const uint64_t user = schema->seed(0);
  const uint64_t ad = schema->seed(1);
  for (const WriterRow& row : {
           WriterRow{.key = ValueKey(user, "ann"), .field = 0, .value = "ann", .w = 0.5F, .v = ann},
           WriterRow{
               .key = ValueKey(ad, int64_t{7}), .field = 1, .value = "7", .w = 0.25F, .v = seven},
           WriterRow{
               .key = ValueKey(ad, int64_t{9}), .field = 1, .value = "9", .w = -0.125F, .v = nine},
       }) {
    if (absl::Status status = writer.AddRow(row); !status.ok()) return status;
  }
  writer.AddGolden({.cells = {"ann", "7"}, .score = -0.75});
  writer.SetMetadata({{"option.k", "2"}});
  return writer.Finish(path);
}

// The worked example of CATALOGUE_FORMAT.md: items for the weights above, which know two of the
// three ads.
absl::Status WriteExampleCatalogue(const std::string& path) {
  absl::StatusOr<FeatureSchema> schema = ExampleSchema();
  if (!schema.ok()) return schema.status();

  CatalogueOptions options;
  options.model_name = "ctr";
  options.version = 1;
  options.created_unix_us = kCreatedUnixUs;
  options.schema = *schema;
  options.id_type = IdType::kString;
  options.attributes = {"label"};
  options.with_bids = true;
  const auto item = [&](std::string_view id, int64_t ad, std::vector<std::string_view> labels,
                        float bid) {
    TestItem made;
    made.text_id = std::string(id);
    made.values = {std::move(labels)};
    made.bid = bid;
    made.features.Add(ValueKey(schema->seed(1), ad), 1.0F, 1);
    return made;
  };
  return WriteCatalogue(options,
                        {item("boot", 9, {"sale"}, 0.5F), item("coat", 8, {}, 0.25F),
                         item("shoe", 7, {"new", "sale"}, 1.5F)},
                        path);
}

absl::Status WriteCatalogues(const std::string& directory) {
  const std::string prefix = absl::StrCat(directory, "/v", format::kCatalogueMajor, "_catalogue_");
  if (absl::Status status = WriteSampleCatalogue(IdType::kInteger, prefix + "integer.fmc");
      !status.ok()) {
    return status;
  }
  if (absl::Status status = WriteSampleCatalogue(IdType::kString, prefix + "string.fmc");
      !status.ok()) {
    return status;
  }
  return WriteExampleCatalogue(prefix + "example.fmc");
}

absl::Status WriteWeights(const std::string& directory) {
  for (const Quantization quantization :
       {Quantization::kF32, Quantization::kF16, Quantization::kInt8}) {
    const std::string name =
        absl::StrCat("v", format::kMajor, "_", std::string(Name(quantization)), ".fmw");
    if (absl::Status status = WriteSampleFile(quantization, absl::StrCat(directory, "/", name));
        !status.ok()) {
      return status;
    }
  }
  const std::string prefix = absl::StrCat(directory, "/v", format::kMajor);
  absl::Status status = WriteSampleFile(Quantization::kF32, prefix + "_field_weighted.fmw",
                                        SampleKind::kFieldWeighted);
  status.Update(WriteExample(prefix + "_example.fmw"));
  return status;
}

}  // namespace
}  // namespace fmserve::model

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s <directory>\n", argv[0]);
    return 2;
  }
  absl::Status status = fmserve::model::WriteWeights(argv[1]);
  status.Update(fmserve::model::WriteCatalogues(argv[1]));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
