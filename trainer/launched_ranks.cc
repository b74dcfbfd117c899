#include <cstdlib>

#include "absl/strings/numbers.h"
#include "trainer/mpi_ranks.h"

namespace fmserve::trainer {
namespace {

uint32_t NumberIn(const char* variable) {
  const char* const text = std::getenv(variable);
  uint32_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : 0;
}

}  // namespace

uint32_t LaunchedRanks() {
  // Open MPI's mpirun; MPICH's, and srun with PMI.
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const uint32_t size = NumberIn(variable); size > 0) return size;
  }
  // srun --mpi=pmix. A plain srun or a batch script has SLURM_NTASKS, too, but no PMIx.
  if (std::getenv("PMIX_RANK") == nullptr) return 1;
  const uint32_t tasks_count = NumberIn("SLURM_NTASKS");
  return tasks_count > 0 ? tasks_count : 1;
}

}  // namespace fmserve::trainer
