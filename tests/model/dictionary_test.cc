#include "model/dictionary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "model/row_layout.h"

namespace fmserve::model {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::vector<uint64_t> RandomKeys(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> keys(count);
  for (uint64_t& key : keys) key = random();
  return keys;
}

// Rows that hold nothing but their keys, and the dictionary over them.
class KeysInRows {
 public:
  KeysInRows(std::span<const uint64_t> keys, uint32_t stride_bytes) {
    plan_ = PlanDictionary(keys).value();
    bytes_.resize(plan_.slots_count * stride_bytes);
    for (size_t i = 0; i < keys.size(); ++i) {
      std::memcpy(&bytes_[plan_.slots[i] * stride_bytes], &keys[i], sizeof(keys[i]));
    }
    dictionary_ = Dictionary(
        plan_.seed, plan_.pilots,
        {.bytes = bytes_.data(), .slots_count = plan_.slots_count, .stride_bytes = stride_bytes});
  }

  const DictionaryPlan& plan() const { return plan_; }
  const Dictionary& dictionary() const { return dictionary_; }

 private:
  DictionaryPlan plan_;
  std::vector<std::byte> bytes_;
  Dictionary dictionary_;
};

TEST(DictionaryTest, EveryKeyHasASlotOfItsOwn) {
  for (const size_t count : {0, 1, 2, 3, 5, 10, 63, 64, 65, 100, 1000, 20000}) {
    const std::vector<uint64_t> keys = RandomKeys(count, count);
    const absl::StatusOr<DictionaryPlan> plan = PlanDictionary(keys);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const std::set<uint32_t> slots(plan->slots.begin(), plan->slots.end());
    EXPECT_EQ(slots.size(), count);
    EXPECT_TRUE(slots.empty() || *slots.rbegin() < plan->slots_count);
  }
}

TEST(DictionaryTest, CostsLessThanAByteOfPilotsAndFewEmptySlotsPerKey) {
  for (const size_t count : {10, 1000, 100000}) {
    const DictionaryPlan plan = PlanDictionary(RandomKeys(count, 1)).value();
    EXPECT_LE(plan.slots_count, static_cast<uint64_t>(1.05 * static_cast<double>(count)) + 16);
    EXPECT_LT(plan.pilots.size() * sizeof(uint16_t), count);
  }
}

TEST(DictionaryTest, FindsEveryKeyAndNoOther) {
  const std::vector<uint64_t> keys = RandomKeys(5000, 2);
  const KeysInRows rows(keys, 64);
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(rows.dictionary().Find(keys[i]), rows.plan().slots[i]);
    EXPECT_EQ(rows.dictionary().Candidate(keys[i]), rows.plan().slots[i]);
  }
  for (const uint64_t key : RandomKeys(5000, 3)) EXPECT_EQ(rows.dictionary().Find(key), kNoSlot);
}

TEST(DictionaryTest, FindAllAgreesWithFindForAnyNumberOfKeys) {
  const std::vector<uint64_t> known = RandomKeys(300, 4);
  const std::vector<uint64_t> unknown = RandomKeys(300, 5);
  for (const uint32_t stride_bytes : {32U, 64U, 320U}) {
    const KeysInRows rows(known, stride_bytes);
    for (const size_t count : {0, 1, 31, 32, 33, 95, 96, 97, 127, 128, 129, 300}) {
      std::vector<uint64_t> keys(count);
      for (size_t i = 0; i < count; ++i) keys[i] = i % 3 == 0 ? unknown[i] : known[i];
      std::vector<uint32_t> slots(count);
      rows.dictionary().FindAll(keys, slots);
      for (size_t i = 0; i < count; ++i) EXPECT_EQ(slots[i], rows.dictionary().Find(keys[i]));
    }
  }
}

TEST(DictionaryTest, LookupInStepsFindsTheSameAndSaysWhetherAllHaveRows) {
  const std::vector<uint64_t> known = RandomKeys(400, 4);
  std::vector<uint64_t> keys = known;
  for (const size_t i : {0, 150, 151, 399}) keys[i] ^= 1;
  const KeysInRows rows(known, 64);
  for (const size_t step : {1, 7, 96, 128, 400}) {
    std::vector<uint32_t> slots(keys.size());
    DictionaryLookup lookup(rows.dictionary(), keys, slots);
    for (size_t end = 0; end < keys.size();) {
      const size_t begin = end;
      end = std::min(begin + step, keys.size());
      const bool all_found = lookup.ResolveUntil(end);
      const auto first = slots.begin() + static_cast<ptrdiff_t>(begin);
      const auto last = slots.begin() + static_cast<ptrdiff_t>(end);
      EXPECT_EQ(all_found, std::find(first, last, kNoSlot) == last);
    }
    for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(slots[i], rows.dictionary().Find(keys[i]));
  }
}

TEST(DictionaryTest, TheEmptyKeyIsNeverFound) {
  const KeysInRows rows(RandomKeys(3, 6), 32);
  const std::vector<uint64_t> keys(200, format::kEmptyKey);
  std::vector<uint32_t> slots(keys.size());
  rows.dictionary().FindAll(keys, slots);
  EXPECT_THAT(slots, Each(kNoSlot));
  EXPECT_EQ(rows.dictionary().Find(format::kEmptyKey), kNoSlot);
}

TEST(DictionaryTest, WithoutKeysNothingIsFound) {
  const KeysInRows rows({}, 32);
  EXPECT_EQ(rows.dictionary().Find(42), kNoSlot);
  const Dictionary none;
  EXPECT_EQ(none.Find(42), kNoSlot);
  const uint64_t key = 42;
  uint32_t slot = 0;
  none.FindAll({&key, 1}, {&slot, 1});
  EXPECT_EQ(slot, kNoSlot);
}

TEST(DictionaryTest, KeysInAPatternAreAsGoodAsRandomOnes) {
  for (const int shift : {0, 20, 48}) {
    std::vector<uint64_t> keys(50000);
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = (i + 1) << shift;
    EXPECT_TRUE(PlanDictionary(keys).ok()) << shift;
  }
}

TEST(DictionaryTest, TheSameKeysGiveTheSamePlan) {
  const std::vector<uint64_t> keys = RandomKeys(1000, 7);
  const DictionaryPlan first = PlanDictionary(keys).value();
  const DictionaryPlan second = PlanDictionary(keys).value();
  EXPECT_EQ(first.seed, second.seed);
  EXPECT_EQ(first.pilots, second.pilots);
  EXPECT_EQ(first.slots, second.slots);
}

TEST(DictionaryTest, NamesTheKeyThatStandsTwice) {
  std::vector<uint64_t> keys = RandomKeys(1000, 8);
  keys[900] = keys[17];
  const absl::Status status = PlanDictionary(keys).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("keys 17 and 900 are both"));
}

TEST(DictionaryTest, RefusesTheEmptyKey) {
  const absl::Status status = PlanDictionary(std::vector<uint64_t>{5, 0, 6}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("key 1 is 0"));
}

}  // namespace
}  // namespace fmserve::model
