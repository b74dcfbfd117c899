#include "server/scoring_threads.h"

#include <utility>

namespace fmserve::server {

ScoringThreads::ScoringThreads(const ScoringOptions& options, Answer answer)
    : most_in_place_(options.most_in_place),
      answer_(std::move(answer)),
      ring_(options.most_waiting) {
  for (size_t i = 0; i < options.threads; ++i) threads_.emplace_back([this] { Work(); });
}

ScoringThreads::~ScoringThreads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
}

void ScoringThreads::Run(const PendingCall& call) {
  if (!TakePlace()) {
    Push(call);
    return;
  }
  answer_(call);
  in_place_.fetch_sub(1, std::memory_order_relaxed);
}

bool ScoringThreads::TakePlace() {
  if (waiting_.load(std::memory_order_relaxed) > 0) return false;
  if (in_place_.fetch_add(1, std::memory_order_relaxed) < most_in_place_) return true;
  in_place_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void ScoringThreads::Push(const PendingCall& call) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    const size_t waiting = waiting_.load(std::memory_order_relaxed);
    ring_[(first_ + waiting) % ring_.size()] = call;
    waiting_.store(waiting + 1, std::memory_order_relaxed);
    wake = idle_threads_ > 0;
  }
  if (wake) ready_.notify_one();
}

void ScoringThreads::Work() {
  const auto has_work = [this] { return stopping_ || waiting_.load() > 0; };
  for (;;) {
    PendingCall call;
    {
      std::unique_lock lock(mutex_);
      ++idle_threads_;
      ready_.wait(lock, has_work);
      --idle_threads_;
      const size_t waiting = waiting_.load(std::memory_order_relaxed);
      if (waiting == 0) return;
      call = ring_[first_];
      first_ = (first_ + 1) % ring_.size();
      waiting_.store(waiting - 1, std::memory_order_relaxed);
    }
    answer_(call);
  }
}

}  // namespace fmserve::server
