// A thread for what may take long and must not cost requests their time: reading stores, hashing,
// verifying.
#ifndef FMSERVE_LOADER_LOW_PRIORITY_WORKER_H_
#define FMSERVE_LOADER_LOW_PRIORITY_WORKER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

namespace fmserve::loader {

// Does one piece of work at a time for one owner. The thread runs at low priority, so it never
// publishes itself: if it were interrupted while it holds the lock of a slot, requests would wait
// until the processor is free. Its work returns what is to be done with the outcome, and the owner
// does that at its own priority.
class LowPriorityWorker {
 public:
  using Finish = std::function<void()>;
  using Work = std::function<Finish(const std::stop_token&)>;

  // `notify` is called on the worker's thread when a Finish can be taken. It must not call back.
  explicit LowPriorityWorker(std::function<void()> notify);
  LowPriorityWorker(const LowPriorityWorker&) = delete;
  LowPriorityWorker& operator=(const LowPriorityWorker&) = delete;
  ~LowPriorityWorker();  // Cancel(), and waits for the work to end

  // Only when not busy.
  void Start(Work work);

  // From Start until TakeFinish has given the Finish away.
  bool busy() const;
  std::optional<Finish> TakeFinish();

  // Asks the work underway to stop; its Finish still comes.
  void Cancel();

 private:
  void Run();

  const std::function<void()> notify_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Work> work_;
  std::optional<Finish> finish_;
  std::stop_source stop_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_LOW_PRIORITY_WORKER_H_
