#include "loader/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace fmserve::loader {
namespace {

constexpr int kLowPriority = 10;

}  // namespace

// Linux sets the priority of a single thread. Lowering is always allowed.
void LowerThreadPriority() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowPriority); }

}  // namespace fmserve::loader
