// Rows of folded items and the kernels that score them: int8_rows.h, kernels/item_rows.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "model/int8_rows.h"
#include "model/kernels/kernels.h"
#include "model/table_memory.h"
#include "tests/model/int8_bound.h"

namespace fmserve::model {
namespace {

constexpr double kErrorBudget = 1e-6;  // accumulate.h

// Every kind of row: scale and bias behind the factors or in low bits, one line or more.
constexpr uint32_t kAllK[] = {1, 8, 16, 24, 25, 32, 56, 57, 60, 64, 65, 96, 120, 128, 250, 256};

struct Item {
  std::vector<float> v;
  float bias = 0.0F;
};

std::vector<float> Gaussian(size_t size, std::mt19937& random, float deviation = 1.0F) {
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(size);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<Item> RandomRows(uint32_t k, size_t count, std::mt19937& random) {
  std::vector<Item> items;
  for (size_t i = 0; i < count; ++i)
    items.push_back(
        {Gaussian(k, random, std::exp2(static_cast<float>(i % 20) - 10)), Gaussian(1, random)[0]});
  return items;
}

// Encoded items, and scores of them.
class Int8Items {
 public:
  explicit Int8Items(const std::vector<Item>& items)
      : k_(static_cast<uint32_t>(items[0].v.size())), row_bytes_(Int8RowBytes(k_)) {
    auto memory = TableMemory::Allocate(items.size() * row_bytes_);
    EXPECT_TRUE(memory.ok()) << memory.status();
    memory_ = *std::move(memory);
    for (size_t i = 0; i < items.size(); ++i) EncodeInt8Row(items[i].v, items[i].bias, row(i));
  }

  std::span<std::byte> row(size_t i) const { return {memory_.data() + i * row_bytes_, row_bytes_}; }

  std::vector<float> Score(const KernelTable& kernels, const std::vector<uint32_t>& items,
                           std::span<const float> sums, double score) const {
    std::vector<float> scores(items.size());
    kernels.score_int8_items(
        {.bytes = memory_.data(), .row_bytes = row_bytes_, .in_low_bits = Int8RowInLowBits(k_)},
        items.data(), items.size(), QuantizeContext(sums, score), scores.data());
    return scores;
  }

 private:
  uint32_t k_;
  uint32_t row_bytes_;
  TableMemory memory_;
};

double Exact(const Item& item, std::span<const float> sums, double score) {
  double exact = score + item.bias;
  for (size_t f = 0; f < item.v.size(); ++f) exact += double{item.v[f]} * sums[f];
  return exact;
}

// The largest share of the bound that an item uses; a failure where that is more than all.
double LargestShareOfBound(const std::vector<Item>& items, std::span<const float> sums,
                           double score) {
  const Int8Items rows(items);
  double largest = 0.0;
  for (uint32_t i = 0; i < items.size(); ++i) {
    const double bound = Int8Bound(items[i].v, sums, score, items[i].bias);
    const float scored = rows.Score(*SupportedKernels().back(), {i}, sums, score)[0];
    const double error = std::abs(scored - Exact(items[i], sums, score));
    EXPECT_LE(error, bound) << "k=" << items[i].v.size() << " item " << i;
    if (bound > 0.0) largest = std::max(largest, error / bound);
  }
  return largest;
}

TEST(Int8RowsTest, TouchNoMoreLinesThanTheirFactorsWould) {
  for (uint32_t k = 1; k <= kMaxK; ++k) {
    const uint32_t bytes = Int8RowBytes(k);
    EXPECT_EQ(bytes % 32, 0U);
    EXPECT_EQ((bytes + 63) / 64, (k + 63) / 64) << "k=" << k;
    EXPECT_GE(bytes, k + (Int8RowInLowBits(k) ? 0 : 8));
    EXPECT_LE(bytes, kMaxK) << "as many factors has a context";
  }
  EXPECT_EQ(Int8RowBytes(16), 32U);
  EXPECT_EQ(Int8RowBytes(64), 64U);
}

TEST(Int8RowsTest, ScoresAreWithinTheBound) {
  std::mt19937 random(1);
  for (const uint32_t k : kAllK) {
    for (int context = 0; context < 20; ++context) {
      const std::vector<float> sums =
          Gaussian(k, random, std::exp2(static_cast<float>(context - 10)));
      LargestShareOfBound(RandomRows(k, 40, random), sums, 0.25 * context);
    }
  }
}

// Factors that lie half a step from what is stored, or a whole one, all in the direction of the
// context.
TEST(Int8RowsTest, TheBoundIsReachedAndNotBroken) {
  for (const uint32_t k : kAllK) {
    if (k < 8) continue;
    std::vector<Item> items;
    for (const float sign : {1.0F, -1.0F}) {
      for (int step = 0; step < 126; ++step) {
        for (const float part : {0.499F, 0.999F}) {
          Item item;
          item.v.assign(k, sign * (static_cast<float>(step) + part) / 127.0F);
          item.v[0] = 1.0F;
          items.push_back(item);
        }
      }
    }
    const std::vector<float> sums(k, 0.7F);
    // Of long rows only the first 64 factors have low bits to lose.
    EXPECT_GT(LargestShareOfBound(items, sums, 0.0), k <= 64 ? 0.8 : 0.4) << "k=" << k;
  }
}

TEST(Int8RowsTest, TheBoundHoldsForTheSmallAndTheLarge) {
  for (const uint32_t k : kAllK) {
    for (const float scale : {1e-18F, 1.0F, 1e18F}) {
      std::vector<Item> items(4);
      items[0] = {std::vector(k, 0.0F), 3.5F};
      items[1] = {std::vector(k, scale), -1.0F};
      items[2] = {std::vector(k, -scale), 1e-30F};
      items[3] = {std::vector(k, 0.0F), -1e10F};
      items[3].v[k - 1] = scale;
      LargestShareOfBound(items, std::vector(k, 0.0F), -2.5);
      LargestShareOfBound(items, std::vector(k, 1.0F), -2.5);
      LargestShareOfBound(items, std::vector(k, -1e15F), 1e7);
    }
  }
}

TEST(Int8RowsTest, AContextThatIsNotFiniteScoresNothing) {
  std::mt19937 random(3);
  const Int8Items rows(RandomRows(64, 1, random));
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> sums(64, 1.0F);
    sums[5] = bad;
    EXPECT_TRUE(std::isnan(rows.Score(*SupportedKernels().back(), {0}, sums, 0.0)[0]));
  }
}

TEST(ItemKernelsTest, AllGiveTheSameBitsInInt8) {
  std::mt19937 random(5);
  for (const uint32_t k : kAllK) {
    const Int8Items rows(RandomRows(k, 100, random));
    const std::vector<float> sums = Gaussian(k, random);
    for (size_t n = 0; n < 200; n = n < 40 ? n + 1 : 2 * n) {
      std::vector<uint32_t> items(n);
      for (uint32_t& item : items) item = static_cast<uint32_t>(random() % 100);
      const std::vector<float> expected = rows.Score(*SupportedKernels().front(), items, sums, 0.3);
      for (const KernelTable* kernels : SupportedKernels())
        ASSERT_EQ(rows.Score(*kernels, items, sums, 0.3), expected) << kernels->name << " k=" << k;
    }
  }
}

TEST(ItemKernelsTest, AreWithinTheErrorBudgetInF32) {
  std::mt19937 random(7);
  constexpr size_t kCount = 100;
  for (size_t padded_k = 16; padded_k <= kMaxK; padded_k += 16) {
    auto memory = TableMemory::Allocate(kCount * (padded_k + 1) * sizeof(float));
    ASSERT_TRUE(memory.ok()) << memory.status();
    auto* const vectors = reinterpret_cast<float*>(memory->data());
    float* const biases = vectors + kCount * padded_k;
    std::ranges::copy(Gaussian(kCount * (padded_k + 1), random), vectors);
    const std::vector<float> sums = Gaussian(padded_k, random);
    std::vector<uint32_t> items(3 * kCount);
    for (uint32_t& item : items) item = static_cast<uint32_t>(random() % kCount);
    std::vector<float> scores(items.size());
    for (const KernelTable* kernels : SupportedKernels()) {
      kernels->score_f32_items({.vectors = vectors, .biases = biases, .padded_k = padded_k},
                               items.data(), items.size(), {.sums = sums.data(), .score = 0.5},
                               scores.data());
      for (size_t i = 0; i < items.size(); ++i) {
        double exact = 0.5 + biases[items[i]];
        double magnitude = 0.5 + std::abs(biases[items[i]]);
        for (size_t f = 0; f < padded_k; ++f) {
          const double product = double{vectors[items[i] * padded_k + f]} * sums[f];
          exact += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(scores[i], exact, kErrorBudget * magnitude) << kernels->name;
      }
    }
  }
}

}  // namespace
}  // namespace fmserve::model
