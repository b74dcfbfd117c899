// A prototype that scorers do not have (docs/decisions/0045): the sums of candidates' feature
// lists, kept for when the same list comes again. For zipf_bench. Lists of kListFeatures features,
// f16, k = kListFactors. One thread.
#ifndef FMSERVE_BENCH_LIST_CACHE_H_
#define FMSERVE_BENCH_LIST_CACHE_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/scorer.h"

namespace fmserve::model {

inline constexpr uint32_t kListFactors = 16;
inline constexpr size_t kListFeatures = 10;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

__extension__ using Uint128 = unsigned __int128;

// Of a list's keys and weights, under secrets that no client knows: NH (Black et al., "UMAC",
// CRYPTO 1999), by which two lists of one length collide with a probability of at most 2^-64, also
// if somebody chooses them.
struct ListHash {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const ListHash& other) const { return low == other.low && high == other.high; }
};

class ListHasher {
 public:
  ListHasher() {
    std::random_device random;
    for (uint64_t& secret : secrets_) secret = (uint64_t{random()} << 32) | random();
  }
  ListHash operator()(const uint64_t* keys, const float* xs) const {
    Uint128 hash = 0;
    for (size_t i = 0; i < kListFeatures; ++i) {
      uint32_t x;
      std::memcpy(&x, xs + i, sizeof(x));
      hash += static_cast<Uint128>(keys[i] + secrets_[2 * i]) * (x + secrets_[2 * i + 1]);
    }
    return {static_cast<uint64_t>(hash), static_cast<uint64_t>(hash >> 64)};
  }

 private:
  uint64_t secrets_[2 * kListFeatures];
};

// The sums of lists, of one thread and one version.
template <size_t kWays>
class SumsCache {
 public:
  struct Tag {
    ListHash hash;
    double bias = 0.0;
    uint64_t used = 0;
  };
  struct alignas(64) Sums {
    float v[kListFactors];
  };
  static constexpr size_t kSets = (size_t{8} << 20) / (sizeof(Tag) + sizeof(Sums)) / kWays;

  SumsCache() : tags_(Allocate<Tag>()), sums_(Allocate<Sums>()) {}
  ~SumsCache() {
    std::free(tags_);
    std::free(sums_);
  }
  SumsCache(const SumsCache&) = delete;
  SumsCache& operator=(const SumsCache&) = delete;

  static size_t Set(const ListHash& hash) {
    return DictionaryHash::Reduce(DictionaryHash::Mix(hash.low ^ hash.high), kSets);
  }
  void Prefetch(size_t set) const {
    __builtin_prefetch(tags_ + set * kWays);
    if (kWays > 2) __builtin_prefetch(tags_ + set * kWays + 2);
  }
  // Where the list lies, or -1.
  int64_t Find(const ListHash& hash, size_t set) {
    for (size_t way = 0; way < kWays; ++way) {
      Tag& tag = tags_[set * kWays + way];
      if (tag.hash == hash) {
        if (kWays > 1) tag.used = ++clock_;
        __builtin_prefetch(sums_ + set * kWays + way);
        return static_cast<int64_t>(set * kWays + way);
      }
    }
    return -1;
  }
  const Tag& tag(int64_t at) const { return tags_[at]; }
  const Sums& sums(int64_t at) const { return sums_[at]; }
  void Insert(const ListHash& hash, size_t set, double bias, const float* sums) {
    size_t at = set * kWays;
    for (size_t way = 1; way < kWays; ++way) {
      if (tags_[set * kWays + way].used < tags_[at].used) at = set * kWays + way;
    }
    tags_[at] = {hash, bias, ++clock_};
    std::memcpy(sums_[at].v, sums, sizeof(Sums));
  }

 private:
  template <typename T>
  static T* Allocate() {
    const size_t size = (kSets * kWays * sizeof(T) + (size_t{2} << 20) - 1) >> 21 << 21;
    void* memory = std::aligned_alloc(size_t{2} << 20, size);
    madvise(memory, size, MADV_HUGEPAGE);
    std::memset(memory, 0, size);
    return static_cast<T*>(memory);
  }
  Tag* const tags_;
  Sums* const sums_;
  uint64_t clock_ = 0;
};

// Candidates by their sums. kWays 0: nothing is kept. kSteps aside: while fewer than half of the
// lists looked for were there, only the first kSampled of a request are looked for and kept.
template <size_t kWays, bool kStepsAside>
class FoldedScorer {
 public:
  explicit FoldedScorer(const WeightFile& file)
      : file_(file),
        accumulate_(OrDie(DefaultKernels())->accumulate(Quantization::kF16, kListFactors)),
        dot_(OrDie(DefaultKernels())->dot) {}

  void Score(const Scratch& context, FeatureSpan features, std::span<float> scores) {
    if constexpr (kWays == 0) {
      ScoreUncached(context, features, scores);
    } else if (kStepsAside && recent_hits_ < 0.5) {
      const size_t sampled = std::min(kSampled, scores.size());
      ScoreCached(context, features.subspan(0, sampled * kListFeatures), scores.first(sampled));
      ScoreUncached(
          context,
          features.subspan(sampled * kListFeatures, (scores.size() - sampled) * kListFeatures),
          scores.subspan(sampled));
    } else {
      ScoreCached(context, features, scores);
    }
  }
  size_t hits() const { return hits_; }

 private:
  static constexpr size_t kMaxLists = 256;  // of one call
  static constexpr size_t kSampled = 8;

  void ScoreUncached(const Scratch& context, FeatureSpan features, std::span<float> scores) {
    ScoreLists(context, features, scores.size(), [&](size_t i, double score, double, const float*) {
      scores[i] = static_cast<float>(score);
    });
  }

  template <typename Take>
  void ScoreLists(const Scratch& context, FeatureSpan features, size_t count, const Take& take) {
    slots_.resize(features.size());
    DictionaryLookup lookup(file_.dictionary(), features.keys, slots_);
    for (size_t i = 0; i < count; ++i) {
      const size_t first = i * kListFeatures;
      lookup.ResolveUntil(first + kListFeatures);
      alignas(64) float sums[kListFactors] = {};
      const double bias = accumulate_(file_.rows(), slots_.data() + first,
                                      features.xs.data() + first, kListFeatures, sums, sums);
      take(i,
           context.context_score() + bias + dot_(sums, context.context_sums().data(), kListFactors),
           bias, sums);
    }
  }

  void ScoreCached(const Scratch& context, FeatureSpan features, std::span<float> scores) {
    const size_t count = scores.size();
    for (size_t c = 0; c < count; ++c) {
      const size_t first = c * kListFeatures;
      hashes_[c] = hasher_(features.keys.data() + first, features.xs.data() + first);
      sets_[c] = cache_.Set(hashes_[c]);
      cache_.Prefetch(sets_[c]);
    }
    misses_count_ = 0;
    for (size_t c = 0; c < count; ++c) {
      found_[c] = cache_.Find(hashes_[c], sets_[c]);
      if (found_[c] < 0) misses_[misses_count_++] = c;
    }
    hits_ += count - misses_count_;
    const double share = static_cast<double>(count - misses_count_) / static_cast<double>(count);
    recent_hits_ += (share - recent_hits_) / 64;
    for (size_t c = 0; c < count; ++c) {
      if (found_[c] < 0) continue;
      scores[c] = static_cast<float>(
          context.context_score() + cache_.tag(found_[c]).bias +
          dot_(cache_.sums(found_[c]).v, context.context_sums().data(), kListFactors));
    }
    FeatureSpan lists = features;
    if (misses_count_ < count) {
      missing_.Clear();
      for (size_t i = 0; i < misses_count_; ++i) {
        const FeatureSpan list = features.subspan(misses_[i] * kListFeatures, kListFeatures);
        missing_.keys.insert(missing_.keys.end(), list.keys.begin(), list.keys.end());
        missing_.xs.insert(missing_.xs.end(), list.xs.begin(), list.xs.end());
        missing_.fields.insert(missing_.fields.end(), list.fields.begin(), list.fields.end());
      }
      lists = missing_.view();
    }
    ScoreLists(context, lists, misses_count_,
               [&](size_t i, double score, double bias, const float* sums) {
                 const size_t c = misses_[i];
                 scores[c] = static_cast<float>(score);
                 cache_.Insert(hashes_[c], sets_[c], bias, sums);
               });
  }

  const WeightFile& file_;
  const AccumulateFn accumulate_;
  const DotFn dot_;
  std::vector<uint32_t> slots_;
  const ListHasher hasher_;
  SumsCache<std::max<size_t>(kWays, 1)> cache_;
  ListHash hashes_[kMaxLists];
  size_t sets_[kMaxLists];
  int64_t found_[kMaxLists];
  size_t misses_[kMaxLists];
  size_t misses_count_ = 0;
  FeatureList missing_;
  size_t hits_ = 0;
  double recent_hits_ = 0.0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_BENCH_LIST_CACHE_H_
