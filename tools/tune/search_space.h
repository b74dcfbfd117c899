// The options that a search may choose: those of `fm train` that say how it learns.
//
//   k: [8, 16]                                          one of these
//   learning-rate: {min: 0.01, max: 0.3, scale: log}    anything between, on a logarithmic scale
//   patience: {min: 2, max: 5}                          on a linear one; whole, as the option is
//   l2-linear: 1e-5                                     always this
#ifndef FMSERVE_TOOLS_TUNE_SEARCH_SPACE_H_
#define FMSERVE_TOOLS_TUNE_SEARCH_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace fmserve::tools {

inline constexpr size_t kMaxSpaceBytes = size_t{64} << 10;
inline constexpr size_t kMaxChoices = 1000;  // of one option

// Names (without dashes) and values as `fm train` takes them, in the order of the space.
using TrialOptions = std::vector<std::pair<std::string, std::string>>;

struct SearchDimension {
  std::string name;
  std::vector<std::string> choices;  // empty: a range
  double min = 0.0;
  double max = 0.0;
  bool log_scale = false;  // then min > 0
  bool whole = false;
  bool field_weighted = false;  // left out of trials of other kinds than fwfm
};

struct SearchSpace {
  std::vector<SearchDimension> dimensions;
  std::string yaml;  // what it was parsed from
};

// InvalidArgument as "name:line: what is wrong, and with which key": unknown or repeated keys,
// values that `fm train` would refuse, ranges without values in them.
absl::StatusOr<SearchSpace> ParseSearchSpace(std::string_view yaml, std::string_view name);

// The same for a file; errors of the system name the path.
absl::StatusOr<SearchSpace> ReadSearchSpace(const std::string& path);

// The options of trials 0, 1, … up to `trials`, drawn at random and all different: fewer when the
// space has no more. Trial i is the same for all numbers of trials above i. Numbers of ranges have
// six digits.
std::vector<TrialOptions> DrawTrials(const SearchSpace& space, uint64_t seed, uint32_t trials);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_SEARCH_SPACE_H_
