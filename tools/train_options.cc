#include "tools/train_options.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "tools/duration_option.h"

namespace fmserve::tools {
namespace {

constexpr const char* kSgdOptions = "Options of --method sgd";
constexpr const char* kGibbsOptions = "Options of --method gibbs";
constexpr uint32_t kDefaultRank = 3;

CLI::Range Positive() { return {1e-30, 1e30}; }

void AddCheckpointOptions(CLI::App& command, TrainArguments& arguments) {
  CLI::Option* const checkpoint =
      command
          .add_option(
              "--checkpoint", arguments.checkpoint.path,
              "Keep here what it takes to go on after a kill or a signal, until training is done")
          ->type_name("FILE");
  AddDurationOption(command, "--checkpoint-every", arguments.checkpoint_every,
                    "Write it after an epoch when so much time has passed; after each if not given")
      ->needs(checkpoint);
}

void AddSgdOptions(CLI::App& command, TrainArguments& arguments) {
  trainer::FitOptions& fit = arguments.fit;
  trainer::LearnerOptions& learner = fit.learner;
  const CLI::Range at_least_0(0.0, 1e30);
  command.add_option("--epochs", fit.epochs, "At most so many passes over the rows")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command
      .add_option("--patience", fit.patience,
                  "Stop after so many epochs without a better validation loss")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command.add_option("--learning-rate", learner.learning_rate, "Step size of AdaGrad")
      ->check(Positive())
      ->capture_default_str();
  command
      .add_option("--linear-learning-rate", learner.linear_learning_rate,
                  "The same of linear weights; --learning-rate if not given")
      ->check(Positive());
  command.add_option("--l2-linear", learner.l2_linear, "L2 penalty on linear weights")
      ->check(at_least_0)
      ->capture_default_str();
  command.add_option("--l2-factors", learner.l2_factors, "L2 penalty on factors")
      ->check(at_least_0)
      ->capture_default_str();
  command
      .add_option("--init-accumulator", learner.init_accumulator,
                  "Sums of squared gradients at the start")
      ->check(Positive())
      ->capture_default_str();
  command
      .add_option("--step-decay", learner.step_decay,
                  "What the learning rate is multiplied with after each epoch")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  command
      .add_option(
          "--negatives", learner.negatives,
          "Share of the training rows with label 0 that is kept; predictions are those for all")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  CLI::Option* const warm_start =
      command
          .add_option("--warm-start", arguments.warm_start,
                      "Model to go on from, of the same fields and the same --k")
          ->type_name("M.fmw");
  command
      .add_option(
          "--unseen-weights", arguments.unseen_weights,
          "What is kept of the weights of features of that model that the rows lack; 0 drops "
          "these features")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(warm_start)
      ->capture_default_str();
  const std::map<std::string, trainer::StopMetric> stop_metrics = {
      {"loss", trainer::StopMetric::kLoss}, {"auc", trainer::StopMetric::kAuc}};
  command
      .add_option("--stop-on", fit.stop_on,
                  "What the validation rows tell: loss (logloss, RMSE) or auc")
      ->transform(CLI::CheckedTransformer(stop_metrics))
      ->type_name("loss|auc")
      ->default_str("loss");
  command.add_option("--threads", learner.threads, "Threads; one alone repeats itself bit by bit")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  AddCheckpointOptions(command, arguments);
}

void AddGibbsOptions(CLI::App& command, trainer::GibbsOptions& gibbs) {
  command.add_option("--draws", gibbs.draws, "Draws whose mean is taken")
      ->check(CLI::Range(1U, 100000U))
      ->capture_default_str();
  command.add_option("--burn-in", gibbs.burn_in, "Draws before those")
      ->check(CLI::Range(0U, 100000U))
      ->capture_default_str();
}

void AddFieldOptions(CLI::App& command, trainer::FieldOptions& field) {
  command.add_option("--rank", field.rank, "Rank of the field matrix; times --k at most 256")
      ->check(CLI::Range(1U, model::kMaxFieldRank))
      ->default_str(std::to_string(kDefaultRank));
  command
      .add_option("--field-learning-rate", field.learning_rate,
                  "Step size of AdaGrad for the field matrix")
      ->check(Positive())
      ->capture_default_str();
  command
      .add_option("--init-field-stddev", field.init_stddev,
                  "Standard deviation of the field matrix at the start, from the second rank on")
      ->check(Positive())
      ->capture_default_str();
}

// An option that does nothing would be believed to do something.
void RefuseOptions(const CLI::App& command, const std::string& group, const std::string& given) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group() != group || option->count() == 0) continue;
    throw CLI::ValidationError(option->get_name(), given + " has no such option");
  }
}

void CheckLearningOptions(const CLI::App& command, TrainArguments& arguments) {
  const bool gibbs = arguments.method == kGibbs;
  const bool field_weighted = arguments.kind == kFieldWeightedFm;
  if (gibbs && field_weighted)
    throw CLI::ValidationError("--method gibbs", "draws models of --kind fm only");
  RefuseOptions(command, gibbs ? kSgdOptions : kGibbsOptions, "--method " + arguments.method);
  trainer::LearnerOptions& learner = arguments.fit.learner;
  if (!field_weighted) {
    RefuseOptions(command, kFieldOptions, "--kind " + arguments.kind);
    return;
  }
  if (learner.field.rank == 0) learner.field.rank = kDefaultRank;
  if (learner.field.rank * learner.k > model::kMaxK)
    throw CLI::ValidationError("--rank", "times --k is more than " + std::to_string(model::kMaxK));
}

}  // namespace

void AddLearningOptions(CLI::App& command, TrainArguments& arguments) {
  trainer::LearnerOptions& learner = arguments.fit.learner;
  command
      .add_option("--kind", arguments.kind,
                  "Kind of model. fm: factorization machine. fwfm: field-weighted; how much two "
                  "features interact depends on their fields")
      ->check(CLI::IsMember({kFm, kFieldWeightedFm}))
      ->capture_default_str();
  command
      .add_option("--method", arguments.method,
                  "sgd: steps along the gradient. gibbs: of a regression; draws from the posterior")
      ->check(CLI::IsMember({kSgd, kGibbs}))
      ->capture_default_str();
  CLI::Option* const k =
      command.add_option("--k", learner.k, "Factors per feature; 8 for gibbs if not given")
          ->check(CLI::Range(1U, model::kMaxK))
          ->capture_default_str();
  CLI::Option* const init_stddev =
      command
          .add_option("--init-stddev", learner.init_stddev,
                      "Standard deviation of the factors at the start; 0.1 for gibbs if not given")
          ->check(Positive())
          ->capture_default_str();
  command.add_option("--seed", learner.seed, "Seed of everything random")->capture_default_str();
  command.option_defaults()->group(kSgdOptions);
  AddSgdOptions(command, arguments);
  command.option_defaults()->group(kGibbsOptions);
  AddGibbsOptions(command, arguments.gibbs);
  command.option_defaults()->group(kFieldOptions);
  AddFieldOptions(command, learner.field);
  command.option_defaults()->group("Options");
  command.parse_complete_callback([&command, &arguments, k, init_stddev] {
    CheckLearningOptions(command, arguments);
    const trainer::LearnerOptions& given = arguments.fit.learner;
    if (k->count() > 0) arguments.gibbs.k = given.k;
    if (init_stddev->count() > 0) arguments.gibbs.init_stddev = given.init_stddev;
    arguments.gibbs.seed = given.seed;
    arguments.checkpoint.every_seconds =
        std::chrono::duration<double>(arguments.checkpoint_every).count();
  });
}

}  // namespace fmserve::tools
