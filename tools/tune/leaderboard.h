// Which trials did best.
#ifndef FMSERVE_TOOLS_TUNE_LEADERBOARD_H_
#define FMSERVE_TOOLS_TUNE_LEADERBOARD_H_

#include <span>
#include <string>
#include <vector>

#include "tools/json_output.h"
#include "tools/tune/search_space.h"
#include "trainer/search/search.h"

namespace fmserve::tools {

// The last result of each trial, the best first, equal ones by number; trials that diverged at the
// end.
std::vector<trainer::TrialResult> RankTrials(std::span<const trainer::TrialResult> results,
                                             bool larger_is_better);

// A table of the first `rows` of a ranking, for people: place, trial, metric, epochs, and the
// options that differ.
std::string LeaderboardText(std::span<const trainer::TrialResult> ranking,
                            std::span<const TrialOptions> trials, const std::string& metric,
                            size_t rows);

// [{"trial", "metric", "epochs", "best_epoch", "rung", "options": {name: value}}]; the metric is
// null where the loss was no finite number.
Json LeaderboardJson(std::span<const trainer::TrialResult> ranking,
                     std::span<const TrialOptions> trials);

// "--k 8 --learning-rate 0.05".
std::string OptionsText(const TrialOptions& options);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_LEADERBOARD_H_
