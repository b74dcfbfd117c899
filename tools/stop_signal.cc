#include "tools/stop_signal.h"

#include <atomic>
#include <csignal>

namespace fmserve::tools {
namespace {

std::atomic<bool> stop_signalled = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void Remember(int /*signal*/) { stop_signalled = true; }

}  // namespace

void RememberStopSignals() {
  struct sigaction action {};
  action.sa_handler = Remember;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGUSR1, &action, nullptr);
}

bool StopSignalled() { return stop_signalled; }

}  // namespace fmserve::tools
