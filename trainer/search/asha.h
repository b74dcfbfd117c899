// What to run next: asynchronous successive halving (ASHA; Li, Jamieson, Rostamizadeh, Gonina,
// Ben-tzur, Hardt, Recht and Talwalkar, "A System for Massively Parallel Hyperparameter Tuning",
// MLSys 2020, algorithm 2). Trials train to the epochs of rung 0; whenever something may run, the
// best trial of a rung that is among its best 1/reduction and was not promoted yet goes on to the
// next rung, the highest rung first; when there is none, a new trial begins.
//
// Plain state without threads, files or clocks: the same results in the same order give the same
// jobs.
#ifndef FMSERVE_TRAINER_SEARCH_ASHA_H_
#define FMSERVE_TRAINER_SEARCH_ASHA_H_

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace fmserve::trainer {

// Epochs at which trials are compared, rising, the last one `max_epochs`: that divided by
// `reduction` again and again, rounded, while it is at least `min_epochs`. 1 <= min_epochs <=
// max_epochs, reduction >= 2.
std::vector<uint32_t> RungEpochs(uint32_t min_epochs, uint32_t max_epochs, uint32_t reduction);

struct TrialJob {
  uint32_t trial = 0;
  uint32_t rung = 0;

  friend bool operator==(const TrialJob&, const TrialJob&) = default;
};

class Asha {
 public:
  // At most `trials` are begun. rungs >= 1; reduction >= 2.
  Asha(uint32_t trials, uint32_t rungs, uint32_t reduction);

  // Nothing when all that may run has been given out; a result may change that.
  std::optional<TrialJob> Next();

  // `loss`: the smaller, the better; one that is not finite is never promoted. Once for each job
  // that Next gave out, in any order.
  void Report(const TrialJob& job, double loss);

 private:
  // (loss, trial) of what is done, the best first; equal losses by the number of the trial.
  struct Rung {
    std::set<std::pair<double, uint32_t>> done;
    std::set<uint32_t> promoted;
  };

  std::optional<uint32_t> Promotable(const Rung& rung) const;

  uint32_t trials_;
  uint32_t reduction_;
  uint32_t begun_ = 0;
  std::vector<Rung> rungs_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_SEARCH_ASHA_H_
