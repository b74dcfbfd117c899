// The largest weights of a model, and the largest interactions between features that are common.
#ifndef FMSERVE_TRAINER_REPORT_LARGEST_H_
#define FMSERVE_TRAINER_REPORT_LARGEST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weight_file.h"
#include "trainer/report/scored_sample.h"
#include "trainer/row_encoder.h"

namespace fmserve::trainer {

struct LargeWeight {
  uint64_t key = 0;
  std::optional<uint8_t> field{};  // nothing, and no value, if the file has no names
  std::string value{};             // "" of a numeric field
  uint64_t count = 0;              // training rows that have it; 0: unknown
  double w = 0.0;
};

// The `count` features with the largest |w| among those that at least `min_count` training rows
// have, or of all if the file does not tell; the largest first. Reads the file once, O(count)
// memory.
absl::StatusOr<std::vector<LargeWeight>> FindLargestWeights(
    std::shared_ptr<const model::WeightFile> file, size_t count, uint64_t min_count);

struct CommonFeature {
  uint64_t key = 0;
  uint8_t field = 0;
  uint64_t rows = 0;  // of the examples, that have it
};

// The `count` features that most of the examples have, of those that the file knows. Of a row at
// most 512 features count. Errors of RowEncoder.
absl::StatusOr<std::vector<CommonFeature>> FindCommonFeatures(const model::WeightFile& file,
                                                              const RawExamples& examples,
                                                              size_t count);

struct LargeInteraction {
  CommonFeature first;
  CommonFeature second;
  double interaction = 0.0;  // what the pair adds to a score when both have x = 1
};

// The `count` pairs of features of different fields that add most to a score, or take most off it.
// O(n^2) of the features. FailedPrecondition as TableScorer::Create.
absl::StatusOr<std::vector<LargeInteraction>> FindLargestInteractions(
    const model::WeightFile& file, std::span<const CommonFeature> features, size_t count);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_LARGEST_H_
