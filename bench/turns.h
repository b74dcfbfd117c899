// For programs that measure contestants in turns: the processor time of each, and what several
// turns gave.
#ifndef FMSERVE_BENCH_TURNS_H_
#define FMSERVE_BENCH_TURNS_H_

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

namespace fmserve {

// Of all threads of this process.
inline double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// `search` makes so many queries; at least one.
template <typename Search>
double MillisecondsPerQuery(size_t queries, Search search) {
  const double start = ProcessorSeconds();
  search();
  return (ProcessorSeconds() - start) / static_cast<double>(queries) * 1e3;
}

// At least one value.
inline nlohmann::json Summary(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {{"median", values[values.size() / 2]}, {"min", values.front()}, {"max", values.back()}};
}

}  // namespace fmserve

#endif  // FMSERVE_BENCH_TURNS_H_
