// Which requests a canary answers: a share of them that depends on nothing but their ids.
#ifndef FMSERVE_LOADER_CANARY_SHARE_H_
#define FMSERVE_LOADER_CANARY_SHARE_H_

#include <cstdint>
#include <string_view>

namespace fmserve::loader {

// XXH3_64bits_withSeed(id, seed): the same on every machine and in every release. What else is to
// be decided by the ids of requests takes another seed, and is then independent of canaries.
uint64_t HashOfRequestId(std::string_view request_id, uint64_t seed);

// Share of all requests, and which: those whose hash is below `limit`. The hash is
// HashOfRequestId; the seed depends on the version, so that no id is in every canary.
// docs/clients.md has it for clients.
struct CanaryShare {
  uint64_t seed = 0;
  uint64_t limit = 0;  // 0: none

  // `percent`: 0 to 50. With a larger one the requests of a smaller one stay in.
  static CanaryShare Of(uint64_t version, double percent);

  bool Has(std::string_view request_id) const;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_CANARY_SHARE_H_
