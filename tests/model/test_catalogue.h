// Weights and catalogues for the tests of what folds and scans them.
#ifndef FMSERVE_TESTS_MODEL_TEST_CATALOGUE_H_
#define FMSERVE_TESTS_MODEL_TEST_CATALOGUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/folded_catalogue.h"
#include "tests/model/sample_catalogue.h"

namespace fmserve::model {

// Items of one feature each, so that each folds to exactly this vector and bias. Ids are the
// indices.
struct Vectors {
  uint32_t k = 1;
  std::vector<std::vector<float>> v;
  std::vector<float> biases;
};

// Weights and catalogue of these items, with one attribute per name in `attributes`, where
// values_of(item, attribute) says which values an item has.
struct TestFiles {
  std::shared_ptr<const WeightFile> weights;
  std::shared_ptr<const CatalogueFile> catalogue;
};
TestFiles FilesOf(
    const Vectors& items, const std::vector<std::string>& attributes = {},
    const std::function<std::vector<std::string_view>(size_t, size_t)>& values_of = nullptr);

// Folded with the kernels; a test failure otherwise.
std::shared_ptr<const FoldedCatalogue> FoldOf(const TestFiles& files, const KernelTable& kernels,
                                              ItemVectors item_vectors = ItemVectors::kF32);

// Contexts that sum to exactly this vector (one feature per context, made part of the weights by
// FilesOf): the values of field kUser.
inline constexpr int64_t kTestContexts = 4;

// The sums of context `user` of FilesOf, in `scratch`.
void ScoreTestContext(const TestFiles& files, const KernelTable& kernels, int64_t user,
                      Scratch& scratch);

// By hand, in double precision: every item's score, the best `k` of those that `wanted` admits.
std::vector<RankedItem> BruteForce(const TestFiles& files, const KernelTable& kernels,
                                   const Scratch& context, size_t k,
                                   const std::function<bool(uint32_t)>& wanted = nullptr);

// That these are the items, in this order, with exactly these scores, and that `size` were covered.
void ExpectRanked(const TopK& top, const std::vector<RankedItem>& expected, uint32_t size);

inline bool Always() { return true; }

// That for every instruction set, two contexts and K from 1 to 1000 the best K are those by hand.
void ExpectExact(const TestFiles& files, const std::string& what);

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_TEST_CATALOGUE_H_
