// Tells on standard error how far a long job is: a bar that is redrawn on a terminal, a plain line
// now and then elsewhere.
#ifndef FMSERVE_TOOLS_PROGRESS_H_
#define FMSERVE_TOOLS_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace fmserve::tools {

enum class ProgressUnit : uint8_t { kRows, kBytes };

// One thread.
class Progress {
 public:
  // `total` rows or bytes are to be done; 0: nobody knows.
  Progress(std::string job, uint64_t total, ProgressUnit unit = ProgressUnit::kRows);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of all are done; cheap to call often. Shows how many per second and, with a total, the
  // time that is left.
  void Update(uint64_t done);

  // Takes the bar off the terminal, so that a line can be printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string job_;
  uint64_t total_;
  ProgressUnit unit_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
};

// "[#####.....]  50 %" and so on: what Update shows. `seconds` since the start, > 0.
std::string FormatProgress(const std::string& job, uint64_t done, uint64_t total, double seconds,
                           ProgressUnit unit = ProgressUnit::kRows);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_PROGRESS_H_
