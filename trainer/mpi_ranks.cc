#include "trainer/mpi_ranks.h"

#define OMPI_SKIP_MPICXX  // its C++ interface, which wants another library
#include <mpi.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace fmserve::trainer {
namespace {

// MPI counts with int.
constexpr size_t kMostAtOnce = size_t{1} << 26;

absl::Status OfMpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return absl::OkStatus();
  std::string text(MPI_MAX_ERROR_STRING, '\0');
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  text.resize(static_cast<size_t>(length));
  return absl::UnavailableError(
      absl::StrCat("a rank is lost: ", std::string(call), " of MPI failed: ", text));
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    int value = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &value);
    rank_ = static_cast<uint32_t>(value);
    MPI_Comm_size(MPI_COMM_WORLD, &value);
    size_ = static_cast<uint32_t>(value);
  }
  ~MpiRanks() override { MPI_Finalize(); }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }

  absl::Status SumInPlace(std::span<float> values) override { return Sum(values, MPI_FLOAT); }
  absl::Status SumInPlace(std::span<double> values) override { return Sum(values, MPI_DOUBLE); }

  absl::Status Broadcast(uint32_t root, std::span<std::byte> bytes) override {
    return InParts(bytes, "broadcast", [root](std::span<std::byte> part) {
      return MPI_Bcast(part.data(), static_cast<int>(part.size()), MPI_BYTE, static_cast<int>(root),
                       MPI_COMM_WORLD);
    });
  }

  void EndAll(int exit_code) override { MPI_Abort(MPI_COMM_WORLD, exit_code); }

 private:
  template <typename T>
  static absl::Status Sum(std::span<T> values, MPI_Datatype type) {
    return InParts(values, "sum", [type](std::span<T> part) {
      return MPI_Allreduce(MPI_IN_PLACE, part.data(), static_cast<int>(part.size()), type, MPI_SUM,
                           MPI_COMM_WORLD);
    });
  }

  template <typename T, typename Call>
  static absl::Status InParts(std::span<T> values, std::string_view name, Call call) {
    for (size_t begin = 0; begin < values.size(); begin += kMostAtOnce) {
      const std::span<T> part = values.subspan(begin, std::min(kMostAtOnce, values.size() - begin));
      if (absl::Status status = OfMpi(call(part), name); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  uint32_t rank_ = 0;
  uint32_t size_ = 1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks() {
  const uint32_t launched = LaunchedRanks();
  if (launched <= 1) return std::make_unique<OneRank>();
  int provided = 0;
  // The threads of the learner never call MPI.
  const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (absl::Status status = OfMpi(code, "start"); !status.ok()) return status;
  if (provided < MPI_THREAD_FUNNELED)
    return absl::UnavailableError("this MPI was built without threads");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  auto ranks = std::make_unique<MpiRanks>();
  if (ranks->size() == launched) return ranks;
  return absl::FailedPreconditionError(
      absl::StrCat("the launcher started ", launched, " ranks, and MPI sees ", ranks->size(),
                   ": fm was built with another MPI than that of the launcher"));
}

}  // namespace fmserve::trainer
