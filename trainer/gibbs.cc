#include "trainer/gibbs.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "model/feature_schema.h"
#include "model/types.h"
#include "trainer/metrics.h"
#include "trainer/parameters.h"

namespace fmserve::trainer {
namespace {

using Clock = std::chrono::steady_clock;

// Of libFM: gamma priors of precisions, and a normal prior of means.
constexpr double kPriorShape = 1.0;
constexpr double kPriorRate = 1.0;
constexpr double kPriorMeanWeight = 1.0;

// The examples by feature: which have it, with which weight x.
struct Columns {
  struct Cell {
    uint32_t example;
    float x;
  };
  std::vector<size_t> ends;  // one past the last cell of each feature
  std::vector<Cell> cells;

  std::span<const Cell> operator[](size_t row) const {
    const size_t begin = row == 0 ? 0 : ends[row - 1];
    return {cells.data() + begin, ends[row] - begin};
  }
};

Columns Transpose(const Examples& examples, size_t rows) {
  Columns columns;
  columns.ends.assign(rows, 0);
  for (const Entry& entry : examples.entries) ++columns.ends[entry.row];
  std::partial_sum(columns.ends.begin(), columns.ends.end(), columns.ends.begin());
  columns.cells.resize(examples.entries.size());
  std::vector<size_t> next(rows, 0);
  std::copy(columns.ends.begin(), columns.ends.end() - 1, next.begin() + 1);
  for (size_t i = 0; i < examples.size(); ++i) {
    for (const Entry& entry : examples[i])
      columns.cells[next[entry.row]++] = {static_cast<uint32_t>(i), entry.x};
  }
  return columns;
}

absl::Status CheckExamples(const Examples& examples, size_t rows) {
  if (!examples.weights.empty())
    return absl::InvalidArgumentError("Gibbs sampling takes no weights of rows");
  std::vector<size_t> last(rows, examples.size());  // example that had the feature
  for (size_t i = 0; i < examples.size(); ++i) {
    for (const Entry& entry : examples[i]) {
      if (last[entry.row] == i) {
        return absl::InvalidArgumentError(
            absl::StrCat("row ", i + 1, " of the training data has a feature twice, which Gibbs ",
                         "sampling cannot learn from; train with --method sgd"));
      }
      last[entry.row] = i;
    }
  }
  return absl::OkStatus();
}

// The normal prior of the parameters of one field.
struct Prior {
  double mean = 0.0;
  double precision = 1.0;
};

// The chain: what was drawn last, and what is left of the labels then.
class Sampler {
 public:
  Sampler(const GibbsOptions& options, std::span<const uint8_t> fields, const Examples& train)
      : options_(options),
        fields_(fields),
        train_(train),
        columns_(Transpose(train, fields.size())),
        random_(options.seed),
        residuals_(train.size()),
        sums_(train.size()),
        linear_priors_(model::kMaxFields),
        factor_priors_(model::kMaxFields * options.k) {
    parameters_.k = options.k;
    parameters_.w.assign(fields.size(), 0.0F);
    parameters_.v.resize(fields.size() * options.k);
    std::normal_distribution<float> normal(0.0F, static_cast<float>(options.init_stddev));
    for (float& v : parameters_.v) v = normal(random_);
    const double sum = std::accumulate(train.labels.begin(), train.labels.end(), 0.0);
    parameters_.w0 = sum / static_cast<double>(train.size());
  }

  const Parameters& parameters() const { return parameters_; }

  void Draw();
  // Half the mean squared error, as Epochs::Run has it.
  double TrainLoss() const { return 0.5 * SquaredError() / static_cast<double>(train_.size()); }

 private:
  double SquaredError() const {
    return std::transform_reduce(residuals_.begin(), residuals_.end(), 0.0, std::plus<>(),
                                 [](double e) { return e * e; });
  }
  double Normal(double mean, double variance) {
    return mean + std::sqrt(variance) * normal_(random_);
  }
  double Gamma(double shape, double rate) {
    return std::gamma_distribution<double>(shape, 1.0 / rate)(random_);
  }

  void ComputeResiduals();
  void DrawPriors(std::span<const float> values, size_t stride, size_t offset,
                  std::span<Prior> priors);
  void DrawBias();
  void DrawLinear();
  void DrawFactor(uint32_t f);

  const GibbsOptions& options_;
  const std::span<const uint8_t> fields_;
  const Examples& train_;
  const Columns columns_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  Parameters parameters_;
  double noise_precision_ = 1.0;
  std::vector<double> residuals_;  // label - score, of each example
  std::vector<double> sums_;       // of each example: sum_i v_if x_i of the factor f at hand
  std::vector<Prior> linear_priors_;
  std::vector<Prior> factor_priors_;  // [k * fields], those of a factor together
};

// Anew in each draw, or rounding would add up.
void Sampler::ComputeResiduals() {
  for (size_t i = 0; i < train_.size(); ++i)
    residuals_[i] = train_.labels[i] - Score(parameters_, train_[i]);
}

// values[row * stride + offset] is the parameter of row.
void Sampler::DrawPriors(std::span<const float> values, size_t stride, size_t offset,
                         std::span<Prior> priors) {
  std::vector<double> counts(priors.size());
  std::vector<double> sums(priors.size());
  std::vector<double> squares(priors.size());  // of the distances from the mean
  for (size_t row = 0; row < fields_.size(); ++row) {
    const double value = values[row * stride + offset];
    const uint8_t field = fields_[row];
    counts[field] += 1.0;
    sums[field] += value;
    squares[field] += (value - priors[field].mean) * (value - priors[field].mean);
  }
  for (size_t field = 0; field < priors.size(); ++field) {
    if (counts[field] == 0.0) continue;
    Prior& prior = priors[field];
    const double rate = kPriorRate + squares[field] + kPriorMeanWeight * prior.mean * prior.mean;
    prior.precision = Gamma((kPriorShape + counts[field] + 1.0) / 2.0, rate / 2.0);
    const double weight = counts[field] + kPriorMeanWeight;
    prior.mean = Normal(sums[field] / weight, 1.0 / (weight * prior.precision));
  }
}

void Sampler::DrawBias() {
  const auto rows = static_cast<double>(train_.size());
  const double sum = std::accumulate(residuals_.begin(), residuals_.end(), 0.0);
  const double drawn = Normal(parameters_.w0 + sum / rows, 1.0 / (noise_precision_ * rows));
  const double change = drawn - parameters_.w0;
  for (double& residual : residuals_) residual -= change;
  parameters_.w0 = drawn;
}

void Sampler::DrawLinear() {
  for (size_t row = 0; row < fields_.size(); ++row) {
    const std::span<const Columns::Cell> column = columns_[row];
    double squares = 0.0;
    double products = 0.0;
    for (const Columns::Cell& cell : column) {
      squares += double{cell.x} * cell.x;
      products += cell.x * residuals_[cell.example];
    }
    const Prior& prior = linear_priors_[fields_[row]];
    const double old = parameters_.w[row];
    const double variance = 1.0 / (noise_precision_ * squares + prior.precision);
    const double mean =
        variance * (noise_precision_ * (products + old * squares) + prior.precision * prior.mean);
    parameters_.w[row] = static_cast<float>(Normal(mean, variance));
    const double change = parameters_.w[row] - old;
    for (const Columns::Cell& cell : column) residuals_[cell.example] -= change * cell.x;
  }
}

// The score is linear in one v_jf: its slope is x_j (sum_i v_if x_i - v_jf x_j).
void Sampler::DrawFactor(uint32_t f) {
  const size_t k = options_.k;
  std::fill(sums_.begin(), sums_.end(), 0.0);
  for (size_t row = 0; row < fields_.size(); ++row) {
    for (const Columns::Cell& cell : columns_[row])
      sums_[cell.example] += double{parameters_.v[row * k + f]} * cell.x;
  }
  for (size_t row = 0; row < fields_.size(); ++row) {
    const std::span<const Columns::Cell> column = columns_[row];
    float& v = parameters_.v[row * k + f];
    const double old = v;
    double squares = 0.0;
    double products = 0.0;
    for (const Columns::Cell& cell : column) {
      const double slope = cell.x * (sums_[cell.example] - old * cell.x);
      squares += slope * slope;
      products += slope * residuals_[cell.example];
    }
    const Prior& prior = factor_priors_[f * model::kMaxFields + fields_[row]];
    const double variance = 1.0 / (noise_precision_ * squares + prior.precision);
    const double mean =
        variance * (noise_precision_ * (products + old * squares) + prior.precision * prior.mean);
    v = static_cast<float>(Normal(mean, variance));
    const double change = v - old;
    for (const Columns::Cell& cell : column) {
      const double slope = cell.x * (sums_[cell.example] - old * cell.x);
      residuals_[cell.example] -= change * slope;
      sums_[cell.example] += change * cell.x;
    }
  }
}

void Sampler::Draw() {
  ComputeResiduals();
  const auto rows = static_cast<double>(train_.size());
  noise_precision_ = Gamma((kPriorShape + rows) / 2.0, (kPriorRate + SquaredError()) / 2.0);
  DrawPriors(parameters_.w, 1, 0, linear_priors_);
  for (uint32_t f = 0; f < options_.k; ++f) {
    DrawPriors(parameters_.v, options_.k, f,
               std::span(factor_priors_).subspan(f * model::kMaxFields, model::kMaxFields));
  }
  DrawBias();
  DrawLinear();
  for (uint32_t f = 0; f < options_.k; ++f) DrawFactor(f);
}

// Means over the draws that are kept.
class Means {
 public:
  Means(size_t rows, uint32_t k, const Examples* valid)
      : valid_(valid), k_(k), w_(rows), v_(rows * k) {
    if (valid != nullptr) predictions_.assign(valid->size(), 0.0);
  }

  void Add(const Parameters& draw) {
    ++draws_count_;
    w0_ += draw.w0;
    std::transform(w_.begin(), w_.end(), draw.w.begin(), w_.begin(), std::plus<>());
    std::transform(v_.begin(), v_.end(), draw.v.begin(), v_.begin(), std::plus<>());
    for (size_t i = 0; i < predictions_.size(); ++i) predictions_[i] += Score(draw, (*valid_)[i]);
  }

  Parameters parameters() const {
    Parameters mean{.k = k_, .w0 = w0_ / draws_count_, .w = {}, .v = {}};
    mean.w.reserve(w_.size());
    mean.v.reserve(v_.size());
    for (const double w : w_) mean.w.push_back(static_cast<float>(w / draws_count_));
    for (const double v : v_) mean.v.push_back(static_cast<float>(v / draws_count_));
    return mean;
  }

  // Mean over the draws of their predictions, for each row of `valid`.
  std::vector<float> predictions() const {
    std::vector<float> mean;
    mean.reserve(predictions_.size());
    for (const double sum : predictions_) mean.push_back(static_cast<float>(sum / draws_count_));
    return mean;
  }

 private:
  const Examples* valid_;
  const uint32_t k_;
  double draws_count_ = 0.0;
  double w0_ = 0.0;  // sums, as the next
  std::vector<double> w_;
  std::vector<double> v_;
  std::vector<double> predictions_;  // of `valid`
};

Metrics MetricsOf(const Parameters& parameters, const Examples& examples) {
  std::vector<float> predictions;
  predictions.reserve(examples.size());
  for (size_t i = 0; i < examples.size(); ++i)
    predictions.push_back(static_cast<float>(Score(parameters, examples[i])));
  return ComputeMetrics(model::Task::kRegression, predictions, examples.labels);
}

}  // namespace

absl::StatusOr<FitResult> SampleGibbs(const GibbsOptions& options, std::span<const uint8_t> fields,
                                      const Examples& train, const Examples* valid,
                                      const FitObserver& observer) {
  if (absl::Status status = CheckExamples(train, fields.size()); !status.ok()) return status;
  Sampler sampler(options, fields, train);
  Means means(fields.size(), options.k, valid);
  FitResult result;
  const uint32_t all = options.burn_in + options.draws;
  for (uint32_t draw = 1; draw <= all; ++draw) {
    const Clock::time_point start = Clock::now();
    sampler.Draw();
    EpochReport report;
    report.epoch = draw;
    report.train_loss = sampler.TrainLoss();
    const bool kept = draw > options.burn_in;
    if (kept) means.Add(sampler.parameters());
    report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    report.best = kept && valid == nullptr && draw == all;
    if (kept && valid != nullptr) {
      report.valid = MetricsOf(means.parameters(), *valid);
      report.bayesian_rmse =
          ComputeMetrics(model::Task::kRegression, means.predictions(), valid->labels).rmse;
      report.best = result.best_epoch == 0 || *report.valid->rmse < *result.best().valid->rmse;
    }
    result.epochs.push_back(report);
    if (report.best) {
      result.best_epoch = draw;
      result.parameters = means.parameters();
    }
    if (observer.progress) observer.progress(draw, train.size());
    if (observer.epoch_done) observer.epoch_done(report);
  }
  return result;
}

}  // namespace fmserve::trainer
