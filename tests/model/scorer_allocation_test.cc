// A request must not allocate: counts what scoring takes from the heap.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "model/item_filter.h"
#include "model/scorer.h"
#include "tests/model/test_catalogue.h"
#include "tests/model/test_model.h"

namespace {

thread_local int allocations = 0;

void* CountedAllocation(size_t bytes) {
  ++allocations;
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

void* CountedAllocation(size_t bytes, size_t alignment) {
  ++allocations;
  const size_t whole_bytes = (bytes + alignment - 1) / alignment * alignment;
  if (void* const memory = std::aligned_alloc(alignment, whole_bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The nothrow and array forms call these.
void* operator new(size_t bytes) { return CountedAllocation(bytes); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return CountedAllocation(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace fmserve::model {
namespace {

class ScorerAllocationTest : public ::testing::Test {
 protected:
  ScorerAllocationTest() {
    AddFeature(context_, kUser, 1);
    AddFeature(context_, kUser, 1000);
    for (int64_t c = 0; c < 100; ++c) {
      AddFeature(candidates_, kAd, c);  // every second one unknown
      AddFeature(candidates_, kTag, c % 50);
    }
    lengths_.assign(100, 2);
    scores_.resize(100);
  }

  void ScoreRequest(size_t count) {
    scorer_.ScoreContext(context_.view(), scratch_);
    scorer_.ScoreCandidates(candidates_.view().subspan(0, 2 * count), {lengths_.data(), count},
                            scratch_, {scores_.data(), count});
    scratch_.ResetUnknown();
  }

  std::shared_ptr<const WeightFile> file_ = RandomModel(Quantization::kF16, 16, 50, /*seed=*/1);
  Scorer scorer_{*file_, *SupportedKernels().back()};
  Scratch scratch_;
  FeatureList context_;
  FeatureList candidates_;
  std::vector<uint32_t> lengths_;
  std::vector<float> scores_;
};

TEST_F(ScorerAllocationTest, TheFirstRequestAllocatesSoTheCounterWorks) {
  const int before = allocations;
  ScoreRequest(100);
  EXPECT_GT(allocations, before);
}

TEST_F(ScorerAllocationTest, RequestsNoLargerThanTheLargestSoFarDoNotAllocate) {
  ScoreRequest(100);
  const int before = allocations;
  for (const size_t count : {100, 1, 0, 64, 99, 100}) ScoreRequest(count);
  EXPECT_EQ(allocations, before);
}

TEST_F(ScorerAllocationTest, RequestsToFieldWeightedModelsDoNotAllocate) {
  const auto file =
      RandomModel(Quantization::kF16, 16, 50, /*seed=*/1, RandomFieldMatrix(4, 3, /*seed=*/1));
  const Scorer scorer(*file, *SupportedKernels().back());
  ScoreRequest(100);  // warms the scratch
  std::vector<float> vectors(lengths_.size() * PaddedK(file->folded_k()));
  std::vector<double> biases(lengths_.size());
  const int before = allocations;
  scorer.ScoreContext(context_.view(), scratch_);
  scorer.ScoreCandidates(candidates_.view(), lengths_, scratch_, scores_);
  scorer.FoldItems(candidates_.view(), lengths_, scratch_, vectors, biases);
  EXPECT_EQ(allocations, before);
}

TEST_F(ScorerAllocationTest, ScoringAFoldedItemDoesNotAllocate) {
  ScoreRequest(1);
  const FoldedItem item = scorer_.Fold(candidates_.view().subspan(0, 2), scratch_);
  const int before = allocations;
  scores_[0] = scorer_.ScoreFolded(item, scratch_);
  EXPECT_EQ(allocations, before);
}

TEST(TopKAllocationTest, TheBestKWithAFilterDoNotAllocateOnceWarm) {
  Vectors items = {.k = 16, .v = {}, .biases = {}};
  for (int i = 0; i < 4000; ++i) {
    items.v.emplace_back(16, static_cast<float>(i % 101) - 50.0F);
    items.biases.push_back(static_cast<float>(i % 7));
  }
  const std::vector<std::string_view> values = {"even"};
  const TestFiles files = FilesOf(items, {"parity"}, [&](size_t item, size_t) {
    return item % 2 == 0 ? values : std::vector<std::string_view>{"odd"};
  });
  const KernelTable& kernels = *SupportedKernels().back();
  const auto folded = FoldOf(files, kernels);
  Scratch context;
  ScoreTestContext(files, kernels, 0, context);
  TopKMemory memory;
  TopKMemory memories[2];
  TopK tops[2];
  ItemFilter filter;
  const std::vector<uint64_t> seen = {2, 4, 6};
  const auto request = [&](size_t k) {
    filter.Begin(*folded);
    bool ok = filter.AttributeIn("parity", values).ok();
    ok = ok && filter.ExcludeIds(seen).ok() && filter.And(2).ok() && filter.End().ok();
    ok = ok && folded->Best(context, k, &filter, Always, memory).items.size() == k;
    ok = ok && folded->Best(context, k, nullptr, Always, memory).items.size() == k;
    const ContextQuery queries[] = {{.context = &context, .k = k, .filter = &filter},
                                    {.context = &context, .k = k, .filter = nullptr}};
    folded->BestOfEach(
        queries, [](size_t) { return true; }, memories, tops);
    return ok && tops[0].items.size() == k && tops[1].items.size() == k;
  };
  EXPECT_TRUE(request(1000));
  const int before = allocations;
  for (const size_t k : {1, 100, 1000}) EXPECT_TRUE(request(k));
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace fmserve::model
