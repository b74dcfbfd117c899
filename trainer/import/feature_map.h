// Which feature of a schema each row of an imported model is.
#ifndef FMSERVE_TRAINER_IMPORT_FEATURE_MAP_H_
#define FMSERVE_TRAINER_IMPORT_FEATURE_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "trainer/import/imported_model.h"

namespace fmserve::trainer {

struct RowFeature {
  uint64_t key = 0;  // 0: the row is left out
  uint8_t field = 0;
  std::string value{};  // for people (value_text.h)
};

struct FeatureMap {
  std::vector<RowFeature> rows{};  // one per row of the model
  uint64_t left_out = 0;           // rows without a feature
  uint64_t unknown_ids = 0;        // in the map, but not in the model
};

// Whether the file itself says what its rows are; a schema goes with it, and no map.
inline bool NamesItsFeatures(const ImportedModel& model) { return !model.features.empty(); }

// By what the file says itself, or, when it has only ids, as values of the only field of the
// schema, which is then multi-valued. InvalidArgument names what does not fit the schema.
absl::StatusOr<FeatureMap> MapBySchema(const ImportedModel& model,
                                       const model::FeatureSchema& schema);

// By lines "id<TAB>field<TAB>value" of the file at `path`, also .gz or .zst: values as in
// value_text.h, with \t, \n, \r and \\ for what a line cannot hold; empty lines are skipped.
// InvalidArgument names the line: what is not of that form or does not fit the schema, an id that
// stands twice. With `drop_unmapped` rows that the map does not name are left out; otherwise
// InvalidArgument names one. `model` has ids.
absl::StatusOr<FeatureMap> MapByFile(const ImportedModel& model, const model::FeatureSchema& schema,
                                     const std::string& path, bool drop_unmapped);

// What describes tables of such ids (docs/schema.md) when nobody says more about them: libsvm with
// one field "feature" of integers, or of strings if the ids are names.
std::string DefaultSchemaYaml(const ImportedModel& model, model::Task task);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_FEATURE_MAP_H_
