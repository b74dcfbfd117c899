// Tells on standard error how far a long job is: a bar that is redrawn on a terminal, a plain line
// now and then elsewhere.
#ifndef FMSERVE_TOOLS_PROGRESS_H_
#define FMSERVE_TOOLS_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace fmserve::tools {

// One thread.
class Progress {
 public:
  // `total` rows are to be done; 0: nobody knows.
  Progress(std::string job, uint64_t total);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` rows of all are done; cheap to call often. Shows rows/s and, with a total, the time that
  // is left.
  void Update(uint64_t done);

  // Takes the bar off the terminal, so that a line can be printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string job_;
  uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
};

// "[#####.....]  50 %" and so on: what Update shows. `seconds` since the start, > 0.
std::string FormatProgress(const std::string& job, uint64_t done, uint64_t total, double seconds);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_PROGRESS_H_
