// Ending a long job early, and well, when the system asks for it.
#ifndef FMSERVE_TOOLS_STOP_SIGNAL_H_
#define FMSERVE_TOOLS_STOP_SIGNAL_H_

namespace fmserve::tools {

// From now on SIGTERM and SIGUSR1 do not end the process, but are remembered. mpirun passes SIGUSR1
// on to its ranks, and kills them when it gets a SIGTERM itself.
void RememberStopSignals();

// Whether one of them came. Any thread.
bool StopSignalled();

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_STOP_SIGNAL_H_
