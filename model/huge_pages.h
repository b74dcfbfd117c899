// What of a mapping the kernel has mapped with its largest pages.
#ifndef FMSERVE_MODEL_HUGE_PAGES_H_
#define FMSERVE_MODEL_HUGE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fmserve::model {

// Bytes of `mapping` (whole mappings, beginning on a page) on 2 MB pages; 0 when nothing tells.
// Microseconds where the kernel can scan (Linux 6.7), else HugePageBytesBySmaps.
uint64_t HugePageBytes(std::span<const std::byte> mapping);

// By the PAGEMAP_SCAN of /proc/self/pagemap; none on a kernel before 6.7.
std::optional<uint64_t> HugePageBytesByScan(std::span<const std::byte> mapping);

// By /proc/self/smaps: the kernel looks at all memory of the process, 3 to 16 ms in which it gives
// the processor to nobody. Of mappings that begin within `mapping`; 0 when it cannot be read.
uint64_t HugePageBytesBySmaps(std::span<const std::byte> mapping);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_HUGE_PAGES_H_
