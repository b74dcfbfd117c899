// Which requests are logged: a share of them that depends on nothing but their ids.
#ifndef FMSERVE_SERVER_LOG_SAMPLE_H_
#define FMSERVE_SERVER_LOG_SAMPLE_H_

#include <cstdint>
#include <limits>
#include <string_view>

#include "loader/canary_share.h"

namespace fmserve::server {

// The same on every server and for every model, and independent of canaries, whose seeds differ: a
// request is in when HashOfRequestId(id, kSeed) is at most `limit`. docs/clients.md has it for
// clients.
class LogSample {
 public:
  static constexpr uint64_t kSeed = 0x6c6f67;  // "log"

  // `percent`: above 0, to 100. With a larger one the requests of a smaller one stay in.
  explicit LogSample(double percent)
      : limit_(percent >= 100.0 ? std::numeric_limits<uint64_t>::max()
                                : static_cast<uint64_t>(percent / 100.0 * 0x1p64)) {}

  bool Has(std::string_view request_id) const {
    return loader::HashOfRequestId(request_id, kSeed) <= limit_;
  }

 private:
  uint64_t limit_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOG_SAMPLE_H_
