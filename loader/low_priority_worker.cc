#include "loader/low_priority_worker.h"

#include <utility>

#include "loader/thread_priority.h"

namespace fmserve::loader {

LowPriorityWorker::LowPriorityWorker(std::function<void()> notify)
    : notify_(std::move(notify)), thread_([this] { Run(); }) {}

LowPriorityWorker::~LowPriorityWorker() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    stop_.request_stop();
  }
  wake_.notify_one();
  thread_.join();
}

void LowPriorityWorker::Start(Work work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(work);
    stop_ = std::stop_source();
    busy_ = true;
  }
  wake_.notify_one();
}

bool LowPriorityWorker::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

std::optional<LowPriorityWorker::Finish> LowPriorityWorker::TakeFinish() {
  const std::lock_guard lock(mutex_);
  if (finish_) busy_ = false;
  return std::exchange(finish_, std::nullopt);
}

void LowPriorityWorker::Cancel() {
  const std::lock_guard lock(mutex_);
  stop_.request_stop();
}

void LowPriorityWorker::Run() {
  LowerThreadPriority();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || work_.has_value(); });
    if (ending_) return;
    std::optional<Work> work = std::exchange(work_, std::nullopt);
    const std::stop_token stop = stop_.get_token();
    lock.unlock();
    Finish finish = (*work)(stop);
    work.reset();
    lock.lock();
    finish_ = std::move(finish);
    lock.unlock();
    notify_();
    lock.lock();
  }
}

}  // namespace fmserve::loader
