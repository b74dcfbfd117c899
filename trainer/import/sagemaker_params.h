// From the arrays of a SageMaker artifact to a model. Internal to the reader (readers.h).
#ifndef FMSERVE_TRAINER_IMPORT_SAGEMAKER_PARAMS_H_
#define FMSERVE_TRAINER_IMPORT_SAGEMAKER_PARAMS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "trainer/import/imported_model.h"

namespace fmserve::trainer {

// What meta.json says of the training, as far as it does.
struct SageMakerMeta {
  std::optional<uint64_t> features{};  // feature_dim
  std::optional<uint64_t> factors{};   // num_factors
  std::optional<model::Task> task{};   // predictor_type
  std::string epoch{};                 // epoch_number
};

// `params` is an NDArray list. InvalidArgument names byte and array: see ReadSageMaker.
absl::StatusOr<ImportedModel> ReadSageMakerParams(std::string_view params,
                                                  const SageMakerMeta& meta);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_SAGEMAKER_PARAMS_H_
