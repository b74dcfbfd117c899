// JoinRanks of a build without MPI.
#include "absl/strings/str_cat.h"
#include "trainer/mpi_ranks.h"

namespace fmserve::trainer {

absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks() {
  const uint32_t launched = LaunchedRanks();
  if (launched <= 1) return std::make_unique<OneRank>();
  return absl::FailedPreconditionError(
      absl::StrCat("started as one of ", launched,
                   " ranks, but this fm was built without MPI; install libopenmpi-dev and build "
                   "again with -DFMSERVE_MPI=ON, or start it without mpirun"));
}

}  // namespace fmserve::trainer
