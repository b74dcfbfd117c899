#include "trainer/report/frequent_values.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace fmserve::trainer {

void FrequentValues::Add(std::string_view value) {
  const absl::string_view key(value.data(), value.size());
  if (auto found = counts_.find(key); found != counts_.end()) {
    ++found->second;
    return;
  }
  if (counts_.size() < capacity_) {
    counts_.emplace(key, 1);
    return;
  }
  // Each removes one of its occurrences together with one of every value that is counted.
  absl::erase_if(counts_, [](auto& entry) { return --entry.second == 0; });
}

std::vector<std::string> FrequentValues::Top(size_t count) const {
  std::vector<std::pair<uint64_t, std::string>> ordered;
  for (const auto& [value, occurrences] : counts_) ordered.emplace_back(occurrences, value);
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> values;
  for (auto& [occurrences, value] : ordered) {
    if (values.size() == count) break;
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace fmserve::trainer
