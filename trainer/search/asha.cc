#include "trainer/search/asha.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fmserve::trainer {

std::vector<uint32_t> RungEpochs(uint32_t min_epochs, uint32_t max_epochs, uint32_t reduction) {
  std::vector<uint32_t> epochs;
  double exact = max_epochs;
  while (true) {
    const auto rounded = static_cast<uint32_t>(std::lround(exact));
    if (rounded < min_epochs || rounded == 0 || (!epochs.empty() && rounded == epochs.back()))
      break;
    epochs.push_back(rounded);
    exact /= reduction;
  }
  std::reverse(epochs.begin(), epochs.end());
  return epochs;
}

Asha::Asha(uint32_t trials, uint32_t rungs, uint32_t reduction)
    : trials_(trials), reduction_(reduction), rungs_(rungs) {}

std::optional<uint32_t> Asha::Promotable(const Rung& rung) const {
  size_t left = rung.done.size() / reduction_;
  for (const auto& [loss, trial] : rung.done) {
    if (left-- == 0 || !std::isfinite(loss)) break;
    if (!rung.promoted.contains(trial)) return trial;
  }
  return std::nullopt;
}

std::optional<TrialJob> Asha::Next() {
  for (size_t rung = rungs_.size() - 1; rung-- > 0;) {
    const std::optional<uint32_t> trial = Promotable(rungs_[rung]);
    if (!trial) continue;
    rungs_[rung].promoted.insert(*trial);
    return TrialJob{.trial = *trial, .rung = static_cast<uint32_t>(rung + 1)};
  }
  if (begun_ < trials_) return TrialJob{.trial = begun_++, .rung = 0};
  return std::nullopt;
}

void Asha::Report(const TrialJob& job, double loss) {
  const double worst = std::numeric_limits<double>::infinity();
  rungs_[job.rung].done.emplace(std::isfinite(loss) ? loss : worst, job.trial);
}

}  // namespace fmserve::trainer
