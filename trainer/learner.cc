#include "trainer/learner.h"

#include <pmmintrin.h>  // for the name of the flag only: the baseline is SSE2

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "trainer/field_step.h"
#include "trainer/fm_step.h"
#include "trainer/keyed_random.h"
#include "trainer/step_loop.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kChunkExamples = 512;  // what a thread takes at a time

double BestConstant(model::Task task, const LabelTotals& totals) {
  if (totals.weights == 0.0) return 0.0;
  if (task == model::Task::kRegression) return totals.labels / totals.weights;
  // Half an example of each class keeps it finite when all labels are equal.
  return std::log((totals.labels + 0.5) / (totals.weights - totals.labels + 0.5));
}

// While it lives, this thread takes subnormal numbers for 0: factors that L2 has all but wiped out
// would otherwise make every step on them some hundred cycles dearer.
class FlushSubnormals {
 public:
  FlushSubnormals() { _mm_setcsr(saved_ | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON); }
  ~FlushSubnormals() { _mm_setcsr(saved_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  const unsigned int saved_ = _mm_getcsr();
};

// Every thread takes chunks of `size` examples until none is left: run(begin, end) returns the sum
// of their losses. Returns the sum of all.
template <typename Run>
double RunThreads(size_t size, uint32_t threads, const Learner::Progress& progress,
                  const Run& run) {
  std::atomic<size_t> next = 0;
  std::vector<double> losses(threads);
  const auto take_chunks = [&](size_t thread) {
    const FlushSubnormals flush;
    while (true) {
      const size_t begin = next.fetch_add(kChunkExamples, std::memory_order_relaxed);
      if (begin >= size) return;
      const size_t end = std::min(begin + kChunkExamples, size);
      losses[thread] += run(begin, end);
      if (thread == 0 && progress) progress(end);
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (size_t thread = 1; thread < threads; ++thread) helpers.emplace_back(take_chunks, thread);
    take_chunks(0);
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

double RunFieldSteps(const FieldWeightedView& view, const Examples& examples,
                     std::span<const uint32_t> order, size_t begin, size_t end) {
  switch (view.fm.blocks) {
    case 1:
      return RunSteps<1>(view, view.fm, examples, order, begin, end);
    case 2:
      return RunSteps<2>(view, view.fm, examples, order, begin, end);
    default:
      return RunSteps<kAny>(view, view.fm, examples, order, begin, end);
  }
}

}  // namespace

std::string DescribeStart(const LearnerOptions& options) {
  return absl::StrCat("by key, seed ", options.seed, ", stddev ", options.init_stddev);
}

Learner::Learner(const LearnerOptions& options, std::span<const uint64_t> keys,
                 const LabelTotals& totals, const RowFields& fields)
    : options_(options),
      blocks_((options.k + kLanes - 1) / kLanes),
      steps_(SupportedFmSteps().back().run),
      w0_{static_cast<float>(BestConstant(options.task, totals)),
          static_cast<float>(options.init_accumulator)},
      linear_(keys.size(), {0.0F, static_cast<float>(options.init_accumulator)}),
      factors_(keys.size() * blocks_),
      prior_(static_cast<float>(std::log(options.negatives))) {
  if (options.field.rank > 0) field_.emplace(options.field, fields, options.seed);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(options.init_stddev));
  for (size_t row = 0; row < keys.size(); ++row) {
    KeyedRandom random(options.seed, keys[row]);
    normal.reset();
    for (size_t f = 0; f < blocks_ * kLanes; ++f) {
      FactorBlock& block = factors_[row * blocks_ + f / kLanes];
      // What pads k to whole blocks is 0 and stays so: its gradient is 0.
      block.v[f % kLanes] = f < options_.k ? normal(random) : 0.0F;
      block.g2[f % kLanes] = static_cast<float>(options.init_accumulator);
    }
  }
}

void Learner::SetBias(double w0) { w0_.w = static_cast<float>(w0) - prior_; }

void Learner::SetFeature(size_t row, float w, std::span<const float> v) {
  linear_[row].w = w;
  for (size_t f = 0; f < v.size(); ++f) factors_[row * blocks_ + f / kLanes].v[f % kLanes] = v[f];
}

void Learner::SetFieldMatrix(const model::FieldMatrix& matrix) { field_->Set(matrix); }

FmView Learner::View() {
  const double linear_learning_rate =
      options_.linear_learning_rate.value_or(options_.learning_rate);
  return {.binary = options_.task == model::Task::kBinary,
          .learning_rate = decay_ * static_cast<float>(options_.learning_rate),
          .linear_learning_rate = decay_ * static_cast<float>(linear_learning_rate),
          .l2_linear = static_cast<float>(options_.l2_linear),
          .l2_factors = static_cast<float>(options_.l2_factors),
          .blocks = blocks_,
          .w0 = &w0_,
          .linear = linear_.data(),
          .factors = factors_.data()};
}

FieldWeightedView Learner::FieldView() {
  return field_->View(View(), decay_ * static_cast<float>(options_.field.learning_rate));
}

std::vector<std::span<float>> Learner::CommonParameters() {
  // They are floats and nothing else.
  static_assert(sizeof(LinearWeight) == 2 * sizeof(float));
  static_assert(sizeof(RankBlock) == 2 * kRankLanes * sizeof(float));
  std::vector<std::span<float>> parts = {{reinterpret_cast<float*>(&w0_), 2}};
  if (!field_) return parts;
  for (const std::span<std::byte> part : field_->State())
    parts.emplace_back(reinterpret_cast<float*>(part.data()), part.size() / sizeof(float));
  return parts;
}

std::vector<std::span<std::byte>> Learner::State() {
  std::vector<std::span<std::byte>> state = {
      std::as_writable_bytes(std::span(&decay_, 1)), std::as_writable_bytes(std::span(&w0_, 1)),
      std::as_writable_bytes(std::span(linear_)), std::as_writable_bytes(std::span(factors_))};
  if (field_) {
    for (const std::span<std::byte> part : field_->State()) state.push_back(part);
  }
  return state;
}

double Learner::Learn(const Examples& examples, std::span<const uint32_t> order,
                      const Progress& progress) {
  const FmView fm = View();
  if (!field_) {
    return RunThreads(order.size(), options_.threads, progress, [&](size_t begin, size_t end) {
      return steps_(fm, examples, order, begin, end);
    });
  }
  const FieldWeightedView view = FieldView();
  return RunThreads(order.size(), options_.threads, progress, [&](size_t begin, size_t end) {
    return RunFieldSteps(view, examples, order, begin, end);
  });
}

void Learner::EndEpoch() { decay_ *= static_cast<float>(options_.step_decay); }

void Learner::Predict(const Examples& examples, std::span<float> predictions) {
  const FmView fm = View();
  std::optional<FieldWeightedView> field_weighted;
  if (field_) field_weighted = FieldView();
  const auto run = [&](size_t begin, size_t end) {
    FmSums<kAny> sums;
    FieldSums field_sums;
    for (size_t i = begin; i < end; ++i) {
      const float score =
          prior_ + (field_weighted ? ScoreExample<kAny>(*field_weighted, examples[i], field_sums)
                                   : ScoreExample<kAny>(fm, examples[i], sums));
      predictions[i] = fm.binary ? Sigmoid(score) : score;
    }
  };
  const size_t share = (examples.size() + options_.threads - 1) / options_.threads;
  std::vector<std::jthread> helpers;
  for (size_t begin = share; begin < examples.size(); begin += share) {
    helpers.emplace_back(run, begin, std::min(begin + share, examples.size()));
  }
  run(0, std::min(share, examples.size()));
}

Parameters Learner::parameters() const {
  Parameters parameters;
  parameters.k = options_.k;
  parameters.w0 = double{w0_.w} + prior_;
  parameters.w.reserve(linear_.size());
  parameters.v.reserve(linear_.size() * options_.k);
  for (size_t row = 0; row < linear_.size(); ++row) {
    parameters.w.push_back(linear_[row].w);
    for (size_t f = 0; f < options_.k; ++f) {
      parameters.v.push_back(factors_[row * blocks_ + f / kLanes].v[f % kLanes]);
    }
  }
  if (field_) parameters.field_matrix = field_->matrix();
  return parameters;
}

}  // namespace fmserve::trainer
