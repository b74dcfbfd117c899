#include "model/huge_pages.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace fmserve::model {
namespace {

// From linux/fs.h of 6.7, which is newer than the headers of Debian 12.
struct PageRegion {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t categories = 0;
};
struct PagemapScan {
  uint64_t size = sizeof(PagemapScan);
  uint64_t flags = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t walk_end = 0;  // out: where it stopped, since `regions` was full
  uint64_t regions = 0;   // address of a PageRegion[]
  uint64_t regions_count = 0;
  uint64_t max_pages = 0;  // no limit
  uint64_t category_inverted = 0;
  uint64_t category_mask = 0;  // pages that have all of these
  uint64_t category_any_of_mask = 0;
  uint64_t return_mask = 0;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, PagemapScan);
constexpr uint64_t kPageIsHuge = uint64_t{1} << 6;

}  // namespace

uint64_t HugePageBytes(std::span<const std::byte> mapping) {
  const std::optional<uint64_t> scanned = HugePageBytesByScan(mapping);
  return scanned ? *scanned : HugePageBytesBySmaps(mapping);
}

std::optional<uint64_t> HugePageBytesByScan(std::span<const std::byte> mapping) {
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) return std::nullopt;
  std::array<PageRegion, 64> regions;
  PagemapScan scan;
  scan.begin = reinterpret_cast<uintptr_t>(mapping.data());
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  scan.end = (scan.begin + mapping.size() + page_bytes - 1) / page_bytes * page_bytes;
  scan.regions = reinterpret_cast<uintptr_t>(regions.data());
  scan.regions_count = regions.size();
  scan.category_mask = kPageIsHuge;
  scan.return_mask = kPageIsHuge;
  uint64_t bytes = 0;
  bool known = true;
  while (known && scan.begin < scan.end) {
    const int found_count = ioctl(pagemap, kPagemapScan, &scan);
    known = found_count >= 0 && scan.walk_end > scan.begin;
    for (int i = 0; i < found_count; ++i) {
      const PageRegion& region = regions[static_cast<size_t>(i)];
      bytes += region.end - region.begin;
    }
    scan.begin = scan.walk_end;
  }
  close(pagemap);
  return known ? std::optional(bytes) : std::nullopt;
}

// A mapping begins with a line "7f21c0000000-7f21c0200000 r--s ...", and lines like
// "FilePmdMapped:      2048 kB" follow.
uint64_t HugePageBytesBySmaps(std::span<const std::byte> mapping) {
  constexpr absl::string_view kHugePages = "FilePmdMapped:";
  const auto begin = reinterpret_cast<uintptr_t>(mapping.data());
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  uint64_t kilobytes = 0;
  while (std::getline(maps, line)) {
    uint64_t value = 0;
    if (absl::SimpleHexAtoi(line.substr(0, line.find('-')), &value)) {
      inside = value >= begin && value < begin + mapping.size();
      continue;
    }
    absl::string_view text = line;
    if (inside && absl::ConsumePrefix(&text, kHugePages) && absl::ConsumeSuffix(&text, " kB") &&
        absl::SimpleAtoi(text, &value)) {
      kilobytes += value;
    }
  }
  return kilobytes * 1024;
}

}  // namespace fmserve::model
