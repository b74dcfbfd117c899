#include "model/table_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

constexpr size_t kReleaseBytes = size_t{2} << 20;

}  // namespace

void Unmap::operator()(std::byte* memory) const { munmap(memory, bytes); }

absl::StatusOr<TableMemory> TableMemory::Allocate(size_t bytes) {
  TableMemory table;
  if (bytes == 0) return table;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", bytes, " bytes of folded items: ", std::strerror(errno)));
  }
  madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: failing does no harm
  table.memory_ = {static_cast<std::byte*>(memory), Unmap{bytes}};
  return table;
}

absl::Status TableMemory::ReleasePages(Checkpoint checkpoint) const {
  for (size_t begin = 0; begin < size(); begin += kReleaseBytes) {
    madvise(data() + begin, std::min(kReleaseBytes, size() - begin), MADV_DONTNEED);
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace fmserve::model
