#include "trainer/learner.h"

#include <pmmintrin.h>  // for the name of the flag only: the baseline is SSE2

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "trainer/keyed_random.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kChunkExamples = 512;  // what a thread takes at a time

double BestConstant(model::Task task, std::span<const float> labels,
                    std::span<const float> weights) {
  double rows = 0.0;
  double sum = 0.0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    rows += weight;
    sum += weight * labels[i];
  }
  if (rows == 0.0) return 0.0;
  if (task == model::Task::kRegression) return sum / rows;
  // Half an example of each class keeps it finite when all labels are equal.
  return std::log((sum + 0.5) / (rows - sum + 0.5));
}

// Random order means a cache miss at every turn: where an example lies, its entries, their
// parameters. Each is asked for a few examples before it is needed.
class Prefetcher {
 public:
  Prefetcher(const FmView& fm, const Examples& examples, std::span<const uint32_t> order)
      : fm_(fm), examples_(examples), order_(order) {}

  // Inlined by force: g++ 12 takes a function that only prefetches for one without effect, and
  // drops its calls.
  [[gnu::always_inline]] void Before(size_t i) const {
    if (i + 24 < order_.size()) __builtin_prefetch(&examples_.ends[order_[i + 24]]);
    if (i + 12 < order_.size()) {
      const std::span<const Entry> entries = examples_[order_[i + 12]];
      Prefetch(entries.data(), entries.size_bytes());
      __builtin_prefetch(&examples_.labels[order_[i + 12]]);
    }
    if (i + 2 < order_.size()) {
      for (const Entry& entry : examples_[order_[i + 2]]) {
        __builtin_prefetch(&fm_.linear[entry.row]);
        Prefetch(&fm_.factors[entry.row * fm_.blocks], fm_.blocks * sizeof(FactorBlock));
      }
    }
  }

 private:
  [[gnu::always_inline]] static void Prefetch(const void* begin, size_t bytes) {
    const char* line = static_cast<const char*>(begin);
    for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(line + offset);
  }

  const FmView& fm_;
  const Examples& examples_;
  std::span<const uint32_t> order_;
};

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

// What the threads of an epoch share.
struct Epoch {
  const Examples& examples;
  std::span<const uint32_t> order;
  std::atomic<size_t> next = 0;
};

// Takes chunks until none is left; returns the sum of their losses.
template <size_t kBlocks, typename View>
double RunChunks(const View& view, const FmView& fm, Epoch& epoch,
                 const Learner::Progress& progress) {
  const FlushSubnormals flush;
  const Examples& examples = epoch.examples;
  const Prefetcher prefetcher(fm, examples, epoch.order);
  double loss = 0.0;
  while (true) {
    const size_t begin = epoch.next.fetch_add(kChunkExamples, std::memory_order_relaxed);
    if (begin >= epoch.order.size()) return loss;
    const size_t end = std::min(begin + kChunkExamples, epoch.order.size());
    for (size_t i = begin; i < end; ++i) {
      prefetcher.Before(i);
      const uint32_t example = epoch.order[i];
      loss += StepOnExample<kBlocks>(view, examples[example], examples.labels[example],
                                     examples.weight(example));
    }
    if (progress) progress(end);
  }
}

double RunChunks(const FmView& fm, Epoch& epoch, const Learner::Progress& progress) {
  switch (fm.blocks) {
    case 1:
      return RunChunks<1>(fm, fm, epoch, progress);
    case 2:
      return RunChunks<2>(fm, fm, epoch, progress);
    case 4:
      return RunChunks<4>(fm, fm, epoch, progress);
    default:
      return RunChunks<kAny>(fm, fm, epoch, progress);
  }
}

double RunChunks(const FieldWeightedView& view, Epoch& epoch, const Learner::Progress& progress) {
  switch (view.fm.blocks) {
    case 1:
      return RunChunks<1>(view, view.fm, epoch, progress);
    case 2:
      return RunChunks<2>(view, view.fm, epoch, progress);
    default:
      return RunChunks<kAny>(view, view.fm, epoch, progress);
  }
}

// Every thread takes a share of the chunks. Returns the sum of the losses.
template <typename View>
double RunThreads(const View& view, uint32_t threads, Epoch& epoch,
                  const Learner::Progress& progress) {
  std::vector<double> losses(threads);
  {
    std::vector<std::jthread> helpers;
    for (size_t t = 1; t < losses.size(); ++t) {
      helpers.emplace_back([&, t] { losses[t] = RunChunks(view, epoch, nullptr); });
    }
    losses[0] = RunChunks(view, epoch, progress);
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace

std::string DescribeStart(const LearnerOptions& options) {
  return absl::StrCat("by key, seed ", options.seed, ", stddev ", options.init_stddev);
}

Learner::Learner(const LearnerOptions& options, std::span<const uint64_t> keys,
                 std::span<const float> labels, std::span<const float> weights,
                 const RowFields& fields)
    : options_(options),
      blocks_((options.k + kLanes - 1) / kLanes),
      w0_{static_cast<float>(BestConstant(options.task, labels, weights)),
          static_cast<float>(options.init_accumulator)},
      linear_(keys.size(), {0.0F, static_cast<float>(options.init_accumulator)}),
      factors_(keys.size() * blocks_),
      prior_(static_cast<float>(std::log(options.negatives))),
      random_(options.seed) {
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

void Learner::Shuffle(size_t examples) {
  if (order_.size() != examples) {
    order_.resize(examples);
    std::iota(order_.begin(), order_.end(), 0U);
  }
  std::shuffle(order_.begin(), order_.end(), random_);
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

void Learner::SkipEpochs(uint32_t epochs, size_t examples) {
  for (uint32_t epoch = 0; epoch < epochs; ++epoch) Shuffle(examples);
}

double Learner::RunPart(const Examples& examples, std::span<const uint32_t> order,
                        const Progress& progress) {
  Epoch epoch{.examples = examples, .order = order};
  return field_ ? RunThreads(FieldView(), options_.threads, epoch, progress)
                : RunThreads(View(), options_.threads, epoch, progress);
}

double Learner::RunEpoch(const Examples& examples, const Progress& progress, uint64_t parts,
                         const PartDone& part_done) {
  Shuffle(examples.size());
  double loss = 0.0;
  size_t begin = 0;
  for (uint64_t part = 1; part <= parts; ++part) {
    const size_t end = order_.size() * part / parts;
    const std::span<const uint32_t> order = std::span(order_).subspan(begin, end - begin);
    loss += RunPart(examples, order,
                    progress ? [&](size_t done) { progress(begin + done); } : Progress());
    if (part_done && !part_done(order)) break;
    begin = end;
  }
  decay_ *= static_cast<float>(options_.step_decay);
  double total = 0.0;
  for (size_t i = 0; i < examples.size(); ++i) total += examples.weight(i);
  return total == 0.0 ? 0.0 : loss / total;
}

void Learner::Predict(const Examples& examples, std::span<float> predictions) {
  const FmView fm = View();
  std::optional<FieldWeightedView> field_weighted;
  if (field_) field_weighted = FieldView();
  const auto run = [&](size_t begin, size_t end) {
    __m128 sums[kSums<kAny>];
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
