#include "loader/warmup.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fmserve::loader {
namespace {

// For kernels before 5.14, which do not know MADV_POPULATE_READ.
void TouchPages(const std::byte* begin, const std::byte* end, size_t page_bytes) {
  for (const std::byte* page = begin; page < end; page += page_bytes) {
    static_cast<void>(*reinterpret_cast<const volatile std::byte*>(page));
  }
}

absl::Status WarmAll(const std::vector<std::span<const std::byte>>& parts,
                     model::Checkpoint checkpoint) {
  for (const std::span<const std::byte> bytes : parts) {
    if (absl::Status status = Warm(bytes, checkpoint); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Warm(std::span<const std::byte> bytes, model::Checkpoint checkpoint) {
  if (bytes.empty()) return absl::OkStatus();
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t lead = reinterpret_cast<uintptr_t>(bytes.data()) % page_bytes;
  const std::byte* step = bytes.data() - lead;
  const std::byte* const end = bytes.data() + bytes.size();
  while (step < end) {
    const size_t size = std::min(kWarmupStepBytes, static_cast<size_t>(end - step));
    if (madvise(const_cast<std::byte*>(step), size, MADV_POPULATE_READ) != 0) {
      TouchPages(step, step + size, page_bytes);
    }
    step += size;
    if (absl::Status status = checkpoint(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Warm(const model::WeightFile& file, model::Checkpoint checkpoint) {
  return WarmAll(file.serving_bytes(), checkpoint);
}

absl::Status Warm(const model::CatalogueFile& file, model::Checkpoint checkpoint) {
  return WarmAll(file.serving_bytes(), checkpoint);
}

}  // namespace fmserve::loader
