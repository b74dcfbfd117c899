#include "tools/tune/leaderboard.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/format.h"

namespace fmserve::tools {
namespace {

// Numbers of those options (as indices) in which trials differ.
std::vector<size_t> DifferingOptions(std::span<const TrialOptions> trials) {
  std::vector<size_t> differing;
  for (size_t i = 0; !trials.empty() && i < trials[0].size(); ++i) {
    const bool same = std::all_of(trials.begin(), trials.end(), [&](const TrialOptions& options) {
      return options[i].second == trials[0][i].second;
    });
    if (!same) differing.push_back(i);
  }
  return differing;
}

}  // namespace

std::vector<trainer::TrialResult> RankTrials(std::span<const trainer::TrialResult> results,
                                             bool larger_is_better) {
  std::map<uint32_t, trainer::TrialResult> last;
  for (const trainer::TrialResult& result : results) {
    const auto [it, added] = last.try_emplace(result.job.trial, result);
    if (!added && result.job.rung > it->second.job.rung) it->second = result;
  }
  std::vector<trainer::TrialResult> ranking;
  ranking.reserve(last.size());
  for (const auto& [trial, result] : last) ranking.push_back(result);
  const auto key = [&](const trainer::TrialResult& result) {
    const double metric = result.metric.value_or(0.0);
    return std::tuple(!result.metric.has_value(), larger_is_better ? -metric : metric,
                      result.job.trial);
  };
  std::sort(ranking.begin(), ranking.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  return ranking;
}

std::string LeaderboardText(std::span<const trainer::TrialResult> ranking,
                            std::span<const TrialOptions> trials, const std::string& metric,
                            size_t rows) {
  const std::vector<size_t> differing = DifferingOptions(trials);
  std::vector<std::vector<std::string>> table = {{"place", "trial", metric, "epochs"}};
  for (const size_t i : differing) table[0].push_back(trials[0][i].first);
  for (size_t place = 0; place < std::min(rows, ranking.size()); ++place) {
    const trainer::TrialResult& result = ranking[place];
    table.push_back({absl::StrCat(place + 1), absl::StrCat(result.job.trial),
                     result.metric ? absl::StrFormat("%.5f", *result.metric) : "diverged",
                     absl::StrCat(result.epochs)});
    for (const size_t i : differing) table.back().push_back(trials[result.job.trial][i].second);
  }
  std::string text = FormatTable(table);
  if (ranking.size() > rows) absl::StrAppend(&text, "and ", ranking.size() - rows, " more\n");
  return text;
}

Json LeaderboardJson(std::span<const trainer::TrialResult> ranking,
                     std::span<const TrialOptions> trials) {
  Json rows = Json::array();
  for (const trainer::TrialResult& result : ranking) {
    Json options = Json::object();
    for (const auto& [name, value] : trials[result.job.trial]) options[name] = value;
    rows.push_back({{"trial", result.job.trial},
                    {"metric", result.metric ? Json(*result.metric) : Json(nullptr)},
                    {"epochs", result.epochs},
                    {"best_epoch", result.best_epoch},
                    {"rung", result.job.rung},
                    {"options", std::move(options)}});
  }
  return rows;
}

std::string OptionsText(const TrialOptions& options) {
  std::string text;
  for (const auto& [name, value] : options)
    absl::StrAppend(&text, text.empty() ? "--" : " --", name, " ", value);
  return text;
}

}  // namespace fmserve::tools
