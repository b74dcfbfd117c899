// What a model file does not say of itself, people must: nothing of it is guessed.
#ifndef FMSERVE_TRAINER_IMPORT_ANSWERS_H_
#define FMSERVE_TRAINER_IMPORT_ANSWERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/types.h"
#include "trainer/import/imported_model.h"

namespace fmserve::trainer {

// From the score of a binary task to its probability p.
enum class ImportLink : uint8_t {
  kSigmoid,  // p = 1 / (1 + exp(-score))
  kProbit,   // p = Phi(score), the normal distribution: libFM's als and mcmc
};

struct ImportAnswers {
  std::optional<model::Task> task{};
  std::optional<ImportLink> link{};
  // xLearn's instance norm: 0 when it was trained without; otherwise the sum of x^2 of a row, the
  // same for all rows; finite, > 0.
  std::optional<double> norm{};
};

// What is still to be said, as options of the command line with what they mean; empty when nothing
// is.
std::vector<std::string> OpenQuestions(const ImportedModel& model, const ImportAnswers& answers);

// How scores of the model become predictions.
struct Prediction {
  model::Task task = model::Task::kBinary;
  model::Link link = model::Link::kSigmoid;
  model::Calibration calibration{};
};

// A sigmoid of kProbitScale * score stands for Phi(score): never further off than
// kProbitMaxError, and in the same order (Camilli 1994).
inline constexpr double kProbitScale = 1.702;
inline constexpr double kProbitMaxError = 0.0095;

// Settles the model by the answers: no question is open. Changes w and v when every row is divided
// by the same norm, so that features need not be scaled any more:
//   score = w0 + sum w x / sqrt(norm) + sum <v_i, v_j> x_i x_j / norm^2
// InvalidArgument for an answer that contradicts the file, or that nobody asked for.
absl::StatusOr<Prediction> Settle(const ImportAnswers& answers, ImportedModel& model);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_ANSWERS_H_
