// Small weight files for the tests of what makes files of files.
#ifndef FMSERVE_TESTS_TRAINER_SMALL_MODEL_H_
#define FMSERVE_TESTS_TRAINER_SMALL_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/weight_file.h"
#include "model/weight_writer.h"

namespace fmserve::trainer {

struct SmallRow {
  std::string field;  // "user" or "ad"
  std::string value;  // "(rare)", "(missing)", or a value
  float w = 0.0F;
  std::vector<float> v{};  // two values
  uint64_t count = 0;
};

struct SmallModel {
  std::vector<SmallRow> rows{};
  double w0 = 0.0;
  std::optional<uint64_t> training_rows = 100;
  std::string start = "by key, seed 1";  // "": the metadata do not say
  bool with_names = true;
  model::Quantization quantization = model::Quantization::kF32;
  std::optional<model::FieldMatrix> field_matrix{};
};

// Fields user (string, context), ad (string, item, minimum count 2) and price (number, item).
model::FeatureSchema SmallSchema();

uint64_t SmallKey(const std::string& field, const std::string& value);

// Written to a file of its own in the directory for tests, and opened. Has one golden, of user "u1"
// and ad "a1", with a score of 0.
std::shared_ptr<const model::WeightFile> Open(const SmallModel& small);

// A path for a file that the test writes.
std::string FreshPath();

}  // namespace fmserve::trainer

#endif  // FMSERVE_TESTS_TRAINER_SMALL_MODEL_H_
