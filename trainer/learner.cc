#include "trainer/learner.h"

#include <pmmintrin.h>  // for the name of the flag only: the baseline is SSE2

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "model/dictionary.h"

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

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), another stream for each seed and key.
class KeyedRandom {
 public:
  using result_type = uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  KeyedRandom(uint64_t seed, uint64_t key)
      : state_(model::DictionaryHash::Mix(key + model::DictionaryHash::Mix(seed))) {}

  result_type operator()() { return model::DictionaryHash::Mix(state_ += 0x9e3779b97f4a7c15); }

 private:
  uint64_t state_;
};

// What the threads of an epoch share.
struct Epoch {
  const Examples& examples;
  std::span<const uint32_t> order;
  std::atomic<size_t> next = 0;
};

// Takes chunks until none is left; returns the sum of their losses.
template <size_t kBlocks>
double RunChunks(const FmView& fm, Epoch& epoch, const Learner::Progress& progress) {
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
      loss += StepOnExample<kBlocks>(fm, examples[example], examples.labels[example],
                                     examples.weight(example));
    }
    if (progress) progress(end);
  }
}

double RunChunks(const FmView& fm, Epoch& epoch, const Learner::Progress& progress) {
  switch (fm.blocks) {
    case 1:
      return RunChunks<1>(fm, epoch, progress);
    case 2:
      return RunChunks<2>(fm, epoch, progress);
    case 4:
      return RunChunks<4>(fm, epoch, progress);
    default:
      return RunChunks<kAny>(fm, epoch, progress);
  }
}

}  // namespace

std::string DescribeStart(const LearnerOptions& options) {
  return absl::StrCat("by key, seed ", options.seed, ", stddev ", options.init_stddev);
}

Learner::Learner(const LearnerOptions& options, std::span<const uint64_t> keys,
                 std::span<const float> labels, std::span<const float> weights)
    : options_(options),
      blocks_((options.k + kLanes - 1) / kLanes),
      w0_{static_cast<float>(BestConstant(options.task, labels, weights)),
          static_cast<float>(options.init_accumulator)},
      linear_(keys.size(), {0.0F, static_cast<float>(options.init_accumulator)}),
      factors_(keys.size() * blocks_),
      learning_rate_(static_cast<float>(options.learning_rate)),
      prior_(static_cast<float>(std::log(options.negatives))),
      random_(options.seed) {
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

FmView Learner::View() {
  return {.binary = options_.task == model::Task::kBinary,
          .learning_rate = learning_rate_,
          .l2_linear = static_cast<float>(options_.l2_linear),
          .l2_factors = static_cast<float>(options_.l2_factors),
          .blocks = blocks_,
          .w0 = &w0_,
          .linear = linear_.data(),
          .factors = factors_.data()};
}

void Learner::Shuffle(size_t examples) {
  if (order_.size() != examples) {
    order_.resize(examples);
    std::iota(order_.begin(), order_.end(), 0U);
  }
  std::shuffle(order_.begin(), order_.end(), random_);
}

std::vector<std::span<std::byte>> Learner::State() {
  return {std::as_writable_bytes(std::span(&learning_rate_, 1)),
          std::as_writable_bytes(std::span(&w0_, 1)), std::as_writable_bytes(std::span(linear_)),
          std::as_writable_bytes(std::span(factors_))};
}

void Learner::SkipEpochs(uint32_t epochs, size_t examples) {
  for (uint32_t epoch = 0; epoch < epochs; ++epoch) Shuffle(examples);
}

double Learner::RunEpoch(const Examples& examples, const Progress& progress) {
  Shuffle(examples.size());
  const FmView fm = View();
  Epoch epoch{.examples = examples, .order = order_};
  std::vector<double> losses(options_.threads);
  {
    std::vector<std::jthread> helpers;
    for (size_t t = 1; t < losses.size(); ++t) {
      helpers.emplace_back([&, t] { losses[t] = RunChunks(fm, epoch, nullptr); });
    }
    losses[0] = RunChunks(fm, epoch, progress);
  }
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  learning_rate_ *= static_cast<float>(options_.step_decay);
  double total = 0.0;
  for (size_t i = 0; i < examples.size(); ++i) total += examples.weight(i);
  return total == 0.0 ? 0.0 : loss / total;
}

void Learner::Predict(const Examples& examples, std::span<float> predictions) {
  const FmView fm = View();
  const auto run = [&](size_t begin, size_t end) {
    __m128 sums[kSums<kAny>];
    for (size_t i = begin; i < end; ++i) {
      const float score = ScoreExample<kAny>(fm, examples[i], sums) + prior_;
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
  return parameters;
}

}  // namespace fmserve::trainer
