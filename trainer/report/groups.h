// How a model does on the rows that share a value of a field.
#ifndef FMSERVE_TRAINER_REPORT_GROUPS_H_
#define FMSERVE_TRAINER_REPORT_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"
#include "model/types.h"
#include "trainer/report/bootstrap.h"
#include "trainer/report/curves.h"
#include "trainer/report/frequent_values.h"
#include "trainer/report/scored_sample.h"

namespace fmserve::trainer {

inline constexpr size_t kMaxGroupsPerRow = 16;
inline constexpr std::string_view kMissingGroup = "(missing)";

// Which groups a row belongs to: the value of a categorical field, each of the first
// kMaxGroupsPerRow different values of a multi-valued one, or kMissingGroup. One thread.
class RowGroups {
 public:
  // InvalidArgument if the schema has no such field, or one without values.
  static absl::StatusOr<RowGroups> Create(const model::FeatureSchema& schema,
                                          std::string_view field_name);

  size_t field() const { return field_; }

  // Hashes of the groups of a row with this cell, all different; valid until the next call. Counts
  // the values.
  std::span<const uint64_t> Add(std::string_view cell);

  // The most frequent ones so far.
  std::vector<std::string> Top(size_t count) const { return values_.Top(count); }

  static uint64_t Hash(std::string_view value);

 private:
  RowGroups(size_t field, bool list, bool weighted)
      : field_(field), list_(list), weighted_(weighted) {}
  void AddValue(std::string_view value);

  size_t field_;
  bool list_;
  bool weighted_;
  FrequentValues values_{4096};
  std::vector<uint64_t> hashes_;
};

struct GroupSummary {
  std::string value;
  uint64_t rows = 0;
  double predicted = 0.0;  // mean prediction
  double observed = 0.0;   // mean label
  MeasureValues measures;
  std::vector<ScoreBucket> buckets;
  std::optional<double> rank_correlation;  // of the buckets
};

// Of each value that rows of the sample have, those with the most rows first. At most `max_buckets`
// buckets each, and fewer in small groups: at least 20 rows each, but three. `order` is
// OrderByPrediction(sample.first()).
std::vector<GroupSummary> SummarizeGroups(model::Task task, const ScoredSample& sample,
                                          std::span<const uint32_t> order,
                                          std::span<const std::string> values, size_t max_buckets);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_REPORT_GROUPS_H_
