// Ranks that mpirun, or srun with PMIx, has started.
#ifndef FMSERVE_TRAINER_MPI_RANKS_H_
#define FMSERVE_TRAINER_MPI_RANKS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "trainer/ranks.h"

namespace fmserve::trainer {

// How many processes the launcher has started, as the environment says; 1 without a launcher.
uint32_t LaunchedRanks();

// The ranks that this process is one of: OneRank if LaunchedRanks() is 1, which does not touch MPI.
// Once per process, from the thread that uses them. FailedPrecondition in a build without MPI that
// was started as one of several; Unavailable if MPI does not come up.
absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks();

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_MPI_RANKS_H_
