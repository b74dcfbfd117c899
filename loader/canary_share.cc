#include "loader/canary_share.h"

#define XXH_INLINE_ALL  // short inputs hash several times faster inlined
#include <xxhash.h>

namespace fmserve::loader {
namespace {

constexpr uint64_t kSeed = 0x63616e617279;  // "canary"
constexpr double kHashes = 0x1p64;

}  // namespace

uint64_t HashOfRequestId(std::string_view request_id, uint64_t seed) {
  return XXH3_64bits_withSeed(request_id.data(), request_id.size(), seed);
}

CanaryShare CanaryShare::Of(uint64_t version, double percent) {
  return {.seed = kSeed + version, .limit = static_cast<uint64_t>(percent / 100.0 * kHashes)};
}

bool CanaryShare::Has(std::string_view request_id) const {
  return HashOfRequestId(request_id, seed) < limit;
}

}  // namespace fmserve::loader
