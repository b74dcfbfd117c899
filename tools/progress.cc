#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/format.h"

namespace fmserve::tools {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{10};

std::string Bar(double share) {
  constexpr size_t kWidth = 24;
  const auto filled = static_cast<size_t>(share * kWidth);
  return absl::StrFormat("[%s%s] %3.0f %%", std::string(filled, '#'),
                         std::string(kWidth - filled, '.'), share * 100);
}

}  // namespace

std::string FormatProgress(const std::string& job, uint64_t done, uint64_t total, double seconds,
                           ProgressUnit unit) {
  const double per_s = static_cast<double>(done) / seconds;
  const auto quantity = [unit](double amount) {
    return unit == ProgressUnit::kRows ? absl::StrFormat("%.0f rows", amount)
                                       : FormatBytes(static_cast<uint64_t>(amount));
  };
  const std::string rate = absl::StrCat(quantity(per_s), "/s");
  if (total == 0) return absl::StrCat(job, "  ", quantity(static_cast<double>(done)), "  ", rate);
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const std::string shown = absl::StrCat(job, "  ", Bar(share), "  ", rate);
  if (done == 0) return shown;
  const double left_s = (1.0 - share) * static_cast<double>(total) / per_s;
  const std::chrono::seconds left(static_cast<int64_t>(left_s));
  return absl::StrCat(shown, "  ETA ", FormatAge(left));
}

Progress::Progress(std::string job, uint64_t total, ProgressUnit unit)
    : job_(std::move(job)), total_(total), unit_(unit), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::Update(uint64_t done) {
  const Clock::time_point now = Clock::now();
  if (now - shown_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine))) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = FormatProgress(job_, done, total_, seconds, unit_);
  std::cerr << (terminal_ ? "\r\x1b[K" : "") << line << (terminal_ ? "" : "\n") << std::flush;
  drawn_ = terminal_;
}

void Progress::Clear() {
  if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace fmserve::tools
