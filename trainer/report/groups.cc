#include "trainer/report/groups.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kRowsPerBucket = 20;
constexpr size_t kFewestBuckets = 3;

GroupSummary Summarize(model::Task task, const ScoredView& view,
                       std::span<const uint32_t> group_order, size_t max_buckets) {
  GroupSummary group;
  group.rows = group_order.size();
  double total = 0.0;
  for (const uint32_t row : group_order) {
    total += view.weight(row);
    group.predicted += view.weight(row) * view.predictions[row];
    group.observed += view.weight(row) * view.labels[row];
  }
  if (total > 0.0) {
    group.predicted /= total;
    group.observed /= total;
  }
  group.measures = MeasureComputer(task, view, group_order).Compute({});
  const size_t buckets =
      std::min(max_buckets, std::max(kFewestBuckets, group_order.size() / kRowsPerBucket));
  group.buckets = ComputeBuckets(task, view, group_order, buckets);
  group.rank_correlation = RankCorrelation(group.buckets);
  return group;
}

}  // namespace

absl::StatusOr<RowGroups> RowGroups::Create(const model::FeatureSchema& schema,
                                            std::string_view field_name) {
  for (size_t i = 0; i < schema.size(); ++i) {
    const model::Field& field = schema.field(i);
    if (field.name != field_name) continue;
    if (!model::HasValues(field)) {
      return absl::InvalidArgumentError(
          absl::StrCat("field ", model::Quote(field_name), " is ", std::string(Name(field.kind)),
                       ": only categorical and multi-valued fields have values to tell apart"));
    }
    return RowGroups(i, field.kind == model::FieldKind::kMultiValued, field.weighted);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the model has no field ", model::Quote(field_name)));
}

uint64_t RowGroups::Hash(std::string_view value) { return model::ValueKey(0, value); }

void RowGroups::AddValue(std::string_view value) {
  if (value.empty() || hashes_.size() == kMaxGroupsPerRow) return;
  const uint64_t hash = Hash(value);
  if (std::find(hashes_.begin(), hashes_.end(), hash) != hashes_.end()) return;
  hashes_.push_back(hash);
  values_.Add(value);
}

std::span<const uint64_t> RowGroups::Add(std::string_view cell) {
  hashes_.clear();
  if (!list_) AddValue(cell);
  while (list_ && !cell.empty()) {
    std::string_view value = model::TakeUntil('|', cell);
    if (weighted_) value = value.substr(0, value.rfind(':'));
    AddValue(value);
  }
  if (hashes_.empty()) AddValue(kMissingGroup);
  return hashes_;
}

std::vector<GroupSummary> SummarizeGroups(model::Task task, const ScoredSample& sample,
                                          std::span<const uint32_t> order,
                                          std::span<const std::string> values, size_t max_buckets) {
  absl::flat_hash_map<uint64_t, size_t> numbers;
  for (size_t i = 0; i < values.size(); ++i) numbers.emplace(RowGroups::Hash(values[i]), i);
  std::vector<std::vector<uint32_t>> orders(values.size());
  for (const uint32_t row : order) {
    for (const uint64_t hash : sample.groups(row)) {
      if (const auto found = numbers.find(hash); found != numbers.end())
        orders[found->second].push_back(row);
    }
  }
  std::vector<GroupSummary> groups;
  for (size_t i = 0; i < values.size(); ++i) {
    if (orders[i].empty()) continue;
    groups.push_back(Summarize(task, sample.first(), orders[i], max_buckets));
    groups.back().value = values[i];
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const GroupSummary& a, const GroupSummary& b) { return a.rows > b.rows; });
  return groups;
}

}  // namespace fmserve::trainer
