#include "trainer/import/answers.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "trainer/import/numbers.h"

namespace fmserve::trainer {
namespace {

model::Task TaskOf(const ImportedModel& model, const ImportAnswers& answers) {
  return model.task.value_or(answers.task.value_or(model::Task::kBinary));
}

absl::Status CheckAnswers(const ImportAnswers& answers, const ImportedModel& model) {
  const model::Task task = TaskOf(model, answers);
  if (answers.task && *answers.task != task) {
    return absl::InvalidArgumentError(absl::StrCat("the file says that its task is ",
                                                   std::string(model::Name(task)), ", --task says ",
                                                   std::string(model::Name(*answers.task))));
  }
  if (answers.link && task != model::Task::kBinary) {
    return absl::InvalidArgumentError("--link is for binary tasks; a regression has none");
  }
  if (answers.link == ImportLink::kProbit && !model.link_is_open) {
    return absl::InvalidArgumentError("models of this format have the sigmoid link, not probit");
  }
  if (answers.norm && !model.norm_is_open) {
    return absl::InvalidArgumentError("--norm is for models of xLearn, which alone has that norm");
  }
  return absl::OkStatus();
}

absl::Status FoldNorm(double norm, ImportedModel& model) {
  for (float& w : model.w) {
    const double folded = w / std::sqrt(norm);
    if (!FitsFloat(folded)) return absl::InvalidArgumentError("--norm is too small: w overflows");
    w = static_cast<float>(folded);
  }
  for (float& v : model.v) {
    const double folded = v / norm;
    if (!FitsFloat(folded)) return absl::InvalidArgumentError("--norm is too small: v overflows");
    v = static_cast<float>(folded);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> OpenQuestions(const ImportedModel& model, const ImportAnswers& answers) {
  std::vector<std::string> questions;
  const bool task_is_open = !model.task && !answers.task;
  if (task_is_open) {
    questions.emplace_back("--task binary (it predicts probabilities) or regression (numbers)");
  }
  const bool may_be_binary = task_is_open || TaskOf(model, answers) == model::Task::kBinary;
  if (model.link_is_open && !answers.link && may_be_binary) {
    questions.push_back(absl::StrCat(task_is_open ? "for a binary task, " : "",
                                     "--link sigmoid (libFM: sgd and sgda) or probit (als and "
                                     "mcmc)"));
  }
  if (model.norm_is_open && !answers.norm) {
    questions.emplace_back(
        "--norm off (xLearn was told --no-norm), or --norm N when xLearn scaled rows and the sum "
        "of x^2 is N in every row (the number of fields, if each gives one x = 1); when rows "
        "differ no factorization machine scores like it: train with --no-norm");
  }
  return questions;
}

absl::StatusOr<Prediction> Settle(const ImportAnswers& answers, ImportedModel& model) {
  if (absl::Status status = CheckAnswers(answers, model); !status.ok()) return status;
  if (answers.norm && *answers.norm > 0) {
    if (absl::Status status = FoldNorm(*answers.norm, model); !status.ok()) return status;
  }
  Prediction prediction{.task = TaskOf(model, answers)};
  if (prediction.task == model::Task::kRegression) {
    prediction.link = model::Link::kIdentity;
  } else if (answers.link == ImportLink::kProbit) {
    prediction.calibration = {
        .kind = model::CalibrationKind::kPlatt, .scale = kProbitScale, .offset = 0.0};
  }
  return prediction;
}

}  // namespace fmserve::trainer
