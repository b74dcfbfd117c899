// Weights and catalogues of random items, for what measures scores and the best K of a catalogue.
// What fails here ends the program.
#ifndef FMSERVE_BENCH_RANDOM_CATALOGUE_H_
#define FMSERVE_BENCH_RANDOM_CATALOGUE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/folded_catalogue.h"

namespace fmserve::model {

inline constexpr uint32_t kItemFactors = 64;
inline constexpr int64_t kContexts = 256;  // users that the weights know
// Of the attribute "share": one item in so many has the value of that name.
inline constexpr int64_t kShares[] = {2, 10, 100, 1000, 10'000};

void OrDie(const absl::Status& status);

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  OrDie(value.status());
  return *std::move(value);
}

// `items_count` items of one feature each, whose `factors` f16 factors are Gaussian; skewed: of
// norms that fall like a power of the rank, as factorization machines learn them. With the kernels
// of DefaultKernels. The same items for the same arguments.
std::shared_ptr<const FoldedCatalogue> MakeRandomCatalogue(
    int64_t items_count, bool skewed, ItemVectors item_vectors = ItemVectors::kF32,
    uint32_t factors = kItemFactors);

// The contexts that the weights know, of Gaussian factors.
std::vector<std::unique_ptr<Scratch>> ScoreContexts(const FoldedCatalogue& catalogue);

}  // namespace fmserve::model

#endif  // FMSERVE_BENCH_RANDOM_CATALOGUE_H_
