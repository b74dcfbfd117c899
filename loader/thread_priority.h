#ifndef FMSERVE_LOADER_THREAD_PRIORITY_H_
#define FMSERVE_LOADER_THREAD_PRIORITY_H_

namespace fmserve::loader {

// For a thread whose work may take long and must not cost requests their time: a tenth of the
// weight of a thread that serves, for its reads and writes, too. It gives way at once, and a
// machine that is always busy still loads. There is no way back without privileges.
void LowerThreadPriority();

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_THREAD_PRIORITY_H_
