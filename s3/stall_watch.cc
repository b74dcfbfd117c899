#include "s3/stall_watch.h"

namespace fmserve::s3 {

bool StallWatch::Stalled(uint64_t bytes, Time now) {
  if (bytes - bytes_ >= static_cast<uint64_t>(limit_.bytes_per_second)) {
    begun_ = good_ = now;
    bytes_ = bytes;
  } else if (now - begun_ >= std::chrono::seconds(1)) {
    begun_ = now;
    bytes_ = bytes;
  }
  return now - good_ >= std::chrono::seconds(limit_.seconds);
}

}  // namespace fmserve::s3
