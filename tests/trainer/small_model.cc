#include "tests/trainer/small_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "trainer/average.h"

namespace fmserve::trainer {

model::FeatureSchema SmallSchema() {
  std::vector<model::Field> fields(3);
  fields[0].name = "user";
  fields[1].name = "ad";
  fields[1].side = model::Side::kItem;
  fields[1].min_count = 2;
  fields[2].name = "price";
  fields[2].kind = model::FieldKind::kNumeric;
  fields[2].side = model::Side::kItem;
  return model::FeatureSchema::Create(std::move(fields)).value();
}

uint64_t SmallKey(const std::string& field, const std::string& value) {
  const model::FeatureSchema schema = SmallSchema();
  const size_t index = *schema.Find(field);
  if (value == "(rare)") return schema.rare_key(index);
  if (value == "(missing)") return schema.missing_key(index);
  if (field == "price") return model::NumericKey(schema.seed(index), 0);
  return model::ValueKey(schema.seed(index), value);
}

std::string FreshPath() {
  static int files = 0;
  return testing::TempDir() + "small_model_" + std::to_string(getpid()) + "_" +
         std::to_string(files++) + ".fmw";
}

std::shared_ptr<const model::WeightFile> Open(const SmallModel& small) {
  model::WeightFileOptions options;
  options.model_name = "small";
  options.quantization = small.quantization;
  options.k = 2;
  options.w0 = small.w0;
  options.schema = SmallSchema();
  options.field_matrix = small.field_matrix;
  options.with_names = small.with_names;
  options.training_rows = small.training_rows;
  model::WeightWriter writer(options);
  for (const SmallRow& row : small.rows) {
    const absl::Status added =
        writer.AddRow({.key = SmallKey(row.field, row.value),
                       .field = static_cast<uint8_t>(*options.schema.Find(row.field)),
                       .value = row.value,
                       .w = row.w,
                       .v = row.v,
                       .count = row.count});
    EXPECT_TRUE(added.ok()) << added;
  }
  writer.AddGolden({.cells = {"u1", "a1", ""}, .score = 0.0});
  model::Metadata metadata = {{"data.train.rows", "100"},
                              {"option.k", "2"},
                              {"metric.valid.logloss", "0.5"},
                              {"field.ad.values", "7"}};
  if (!small.start.empty()) metadata.emplace_back(std::string(kStartMetadataName), small.start);
  writer.SetMetadata(std::move(metadata));
  const std::string path = FreshPath();
  const absl::Status written = writer.Finish(path);
  EXPECT_TRUE(written.ok()) << written;
  auto file = model::WeightFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  unlink(path.c_str());  // the mapping stays
  return *file;
}

}  // namespace fmserve::trainer
