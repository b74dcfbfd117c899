#include "trainer/warm_start.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trainer/rewrite.h"
#include "trainer/row_table.h"

namespace fmserve::trainer {
namespace {

std::string KindText(uint32_t rank) {
  return rank == 0 ? "a plain FM" : absl::StrCat("field-weighted of rank ", rank);
}

absl::Status Check(const model::WeightFile& file, const TrainingSchema& schema,
                   const ModelShape& shape) {
  const model::WeightInfo& info = file.info();
  if (info.k != shape.k) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it has k = ", info.k, ", the new model k = ", shape.k, "; give --k ", info.k));
  }
  const uint32_t rank = file.field_matrix() ? file.field_matrix()->rank : 0;
  if (rank != shape.rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is ", KindText(rank), ", the new model ", KindText(shape.rank), "; give ",
                     rank == 0 ? "--kind fm" : absl::StrCat("--kind fwfm --rank ", rank)));
  }
  if (info.task != schema.task) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is of a ", std::string(model::Name(info.task)),
                     " task, the schema is of a ", std::string(model::Name(schema.task)), " one"));
  }
  if (!HasNames(file)) {
    return absl::InvalidArgumentError(
        "it carries no names, which tell the field of a row; train it without --no-names");
  }
  if (const absl::Status same = file.schema().CompatibleWith(schema.features); !same.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its fields are not those of the schema: ", same.message()));
  }
  if (file.schema().size() == schema.features.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "its fields are not those of the schema, which has others besides");
}

}  // namespace

absl::StatusOr<model::FeatureSchema> FeaturesOf(const WarmStart& start,
                                                const TrainingSchema& schema,
                                                const ModelShape& shape) {
  if (absl::Status status = Check(*start.file, schema, shape); !status.ok()) return status;
  std::vector<model::Field> fields;
  for (size_t i = 0; i < schema.features.size(); ++i) fields.push_back(schema.features.field(i));
  for (const size_t field : schema.fields_to_measure) {
    fields[field].mean = start.file->schema().field(field).mean;
    fields[field].stddev = start.file->schema().field(field).stddev;
  }
  return model::FeatureSchema::Create(std::move(fields));
}

void AddFeatures(const WarmStart& start, Vocabulary& vocabulary) {
  const size_t seen = vocabulary.size();
  // Nothing below returns an error.
  (void)FileRows(start.file).ForEach([&](const FeatureRow& row) {
    if (start.unseen == 0.0 && !vocabulary.Contains(row.key)) return absl::OkStatus();
    const uint32_t id = vocabulary.Add(row.key, row.name->field, row.count);
    Feature& feature = vocabulary[id];
    feature.is_old = true;
    feature.is_unseen = id >= seen;
    if (feature.is_unseen) feature.value = std::string(row.name->value);
    return absl::OkStatus();
  });
}

void SetParameters(const WarmStart& start, const Vocabulary& vocabulary, Learner& learner) {
  const FileRows rows(start.file);
  learner.SetBias(rows.w0());
  if (rows.field_matrix()) learner.SetFieldMatrix(*rows.field_matrix());
  FeatureRow old;
  for (size_t row = 0; row < vocabulary.size(); ++row) {
    const Feature& feature = vocabulary[row];
    if (!feature.is_old || !rows.Find(feature.key, old)) continue;
    if (feature.is_unseen) {
      old.w *= static_cast<float>(start.unseen);
      for (float& v : old.v) v *= static_cast<float>(start.unseen);
    }
    learner.SetFeature(row, old.w, old.v);
  }
}

}  // namespace fmserve::trainer
