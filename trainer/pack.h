// Learned parameters -> weight file, with examples by which every reader can check itself.
#ifndef FMSERVE_TRAINER_PACK_H_
#define FMSERVE_TRAINER_PACK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/golden.h"
#include "model/types.h"
#include "trainer/dataset.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {

struct PackOptions {
  std::string model_name = "fm";
  uint64_t created_unix_us = 0;
  model::Task task = model::Task::kBinary;
  model::Quantization quantization = model::Quantization::kF32;
  bool with_names = true;  // store the value of each feature, for people
};

// The parameters of data.vocabulary as the rows of a file of this quantization hold them; a field
// matrix is stored as it is. InvalidArgument, naming feature and field, if they do not fit.
absl::StatusOr<Parameters> RoundParameters(model::Quantization quantization,
                                           const TrainingData& data, const Parameters& parameters);

// The sampled rows, some with a value missing or unknown, and a row without any value; scores in
// double precision from `parameters`, by a loop that shares nothing with the scorer. data.samples
// is not empty; a field matrix fits data.schema.
absl::StatusOr<std::vector<model::Golden>> MakeGoldens(const TrainingData& data,
                                                       const Parameters& parameters);

// Rows, missing values, distinct values and parameter rows of the training data, per field.
model::Metadata DescribeData(const TrainingData& data);

// Rounds, computes goldens and writes the file. Errors as of WeightWriter.
absl::Status Pack(const PackOptions& options, const TrainingData& data,
                  const Parameters& parameters, model::Metadata metadata, const std::string& path);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_PACK_H_
