#include "trainer/search/search.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

namespace fmserve::trainer {
namespace {

double LossOfResult(const TrialResult& result, bool larger_is_better) {
  if (!result.metric) return std::numeric_limits<double>::infinity();
  return larger_is_better ? -*result.metric : *result.metric;
}

// A job from when it is chosen until its result is heeded.
struct Slot {
  TrialJob job;
  bool taken = false;
  std::optional<TrialResult> result{};
};

class Search {
 public:
  Search(const SearchOptions& options, const SearchCallbacks& callbacks)
      : options_(options),
        callbacks_(callbacks),
        asha_(options.trials, options.rungs, options.reduction) {}

  absl::StatusOr<std::vector<TrialResult>> Run() {
    {
      std::vector<std::jthread> workers;
      for (uint32_t i = 0; i < options_.workers; ++i) workers.emplace_back([this] { Work(); });
      ChooseAndHeed();
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    if (!status_.ok()) return status_;
    return std::move(results_);
  }

 private:
  void ChooseAndHeed() {
    std::unique_lock lock(mutex_);
    while (status_.ok()) {
      FillWindow();
      if (window_.empty()) return;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !status_.ok() || window_.front().result.has_value(); });
      if (!status_.ok()) return;
      const TrialResult& result = *window_.front().result;
      asha_.Report(result.job, LossOfResult(result, options_.larger_is_better));
      results_.push_back(result);
      window_.pop_front();
    }
  }

  void FillWindow() {
    while (window_.size() < options_.window) {
      const std::optional<TrialJob> job = asha_.Next();
      if (!job) return;
      std::optional<TrialResult> known = callbacks_.known(*job);
      const bool taken = known.has_value();
      window_.push_back({.job = *job, .taken = taken, .result = known});
    }
  }

  // The first that nobody has taken; null if there is none.
  Slot* FirstFree() {
    const auto it =
        std::find_if(window_.begin(), window_.end(), [](const Slot& slot) { return !slot.taken; });
    return it == window_.end() ? nullptr : &*it;
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      Slot* slot = nullptr;
      changed_.wait(lock, [&] {
        slot = FirstFree();
        return ended_ || !status_.ok() || slot != nullptr;
      });
      if (ended_ || !status_.ok()) return;
      slot->taken = true;
      const TrialJob job = slot->job;
      lock.unlock();
      absl::StatusOr<TrialResult> result = callbacks_.run(job);
      lock.lock();
      // A slot stays where it is until it has a result.
      const absl::Status status = result.ok() ? callbacks_.finished(*result) : result.status();
      if (status.ok()) slot->result = *std::move(result);
      if (status_.ok()) status_ = status;
      changed_.notify_all();
    }
  }

  const SearchOptions& options_;
  const SearchCallbacks& callbacks_;
  Asha asha_;
  std::vector<TrialResult> results_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Slot> window_;  // by mutex_, as the next two
  absl::Status status_;
  bool ended_ = false;
};

}  // namespace

absl::StatusOr<std::vector<TrialResult>> RunSearch(const SearchOptions& options,
                                                   const SearchCallbacks& callbacks) {
  return Search(options, callbacks).Run();
}

}  // namespace fmserve::trainer
