#include "model/table_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace fmserve::model {

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

}  // namespace fmserve::model
