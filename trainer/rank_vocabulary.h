// One vocabulary for all ranks.
#ifndef FMSERVE_TRAINER_RANK_VOCABULARY_H_
#define FMSERVE_TRAINER_RANK_VOCABULARY_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/ranks.h"
#include "trainer/vocabulary.h"

namespace fmserve::trainer {

// `vocabulary`, before Prune, becomes the union of those of all ranks, with the sums of their
// counts, in the same order everywhere: the features of rank 0 first, then those that rank 1 adds,
// and so on. Returns the new row of each old one. Beside the union, a rank holds the features of
// one other at a time. ResourceExhausted for 2^32 features; errors of Ranks.
absl::StatusOr<std::vector<uint32_t>> UniteVocabularies(Ranks& ranks, Vocabulary& vocabulary);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_RANK_VOCABULARY_H_
