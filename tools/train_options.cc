#include "tools/train_options.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <string>

#include "tools/duration_option.h"

namespace fmserve::tools {
namespace {

constexpr const char* kSgdOptions = "Options of --method sgd";
constexpr const char* kGibbsOptions = "Options of --method gibbs";

CLI::Range Positive() { return {1e-30, 1e30}; }

void AddCheckpointOptions(CLI::App& command, TrainArguments& arguments) {
  CLI::Option* const checkpoint =
      command
          .add_option("--checkpoint", arguments.checkpoint.path,
                      "Keep here what it takes to go on after a kill, until the model is written")
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

// An option that does nothing would be believed to do something.
void RefuseOptionsOfOtherMethods(const CLI::App& command, const std::string& method) {
  const char* const others = method == kGibbs ? kSgdOptions : kGibbsOptions;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group() != others || option->count() == 0) continue;
    throw CLI::ValidationError(option->get_name(), "--method " + method + " has no such option");
  }
}

}  // namespace

void AddMethodOptions(CLI::App& command, TrainArguments& arguments) {
  trainer::LearnerOptions& learner = arguments.fit.learner;
  command.add_option("--kind", arguments.kind, "Kind of model")
      ->check(CLI::IsMember({"fm"}))
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
  command.option_defaults()->group("Options");
  command.parse_complete_callback([&command, &arguments, k, init_stddev] {
    RefuseOptionsOfOtherMethods(command, arguments.method);
    const trainer::LearnerOptions& given = arguments.fit.learner;
    if (k->count() > 0) arguments.gibbs.k = given.k;
    if (init_stddev->count() > 0) arguments.gibbs.init_stddev = given.init_stddev;
    arguments.gibbs.seed = given.seed;
    arguments.checkpoint.every_seconds =
        std::chrono::duration<double>(arguments.checkpoint_every).count();
  });
}

}  // namespace fmserve::tools
