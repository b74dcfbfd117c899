// Reads a binary file from its beginning to its end, never out of bounds.
#ifndef FMSERVE_TRAINER_IMPORT_BYTE_CURSOR_H_
#define FMSERVE_TRAINER_IMPORT_BYTE_CURSOR_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace fmserve::trainer {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

// One thread. The first failure sticks: from then on every read returns 0 or nothing, so that a
// record may be read whole and asked about once. Offsets in messages are those of `bytes`, which
// must outlive the cursor and what it hands out.
class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes) : bytes_(bytes) {}

  // `what` it is, for the message when the bytes end before.
  template <typename T>
  requires std::is_arithmetic_v<T> T Read(std::string_view what) {
    T value{};
    if (const std::string_view raw = Take(sizeof(T), what); !raw.empty()) {
      std::memcpy(&value, raw.data(), sizeof(T));
    }
    return value;
  }

  std::string_view Take(uint64_t size, std::string_view what) {
    last_ = position_;
    if (size > remaining()) {
      Fail(absl::StrCat("ends early: ", std::string(what), " takes ", size, " bytes, ", remaining(),
                        " are left"));
    }
    if (!ok()) return {};
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

  void ExpectEnd() {
    last_ = position_;
    if (remaining() > 0) Fail(absl::StrCat(remaining(), " bytes too many"));
  }

  // What is wrong with what was read last.
  void Fail(std::string_view reason) {
    if (ok()) error_ = absl::StrCat("byte ", last_, ": ", std::string(reason));
  }

  bool ok() const { return error_.empty(); }
  absl::Status status() const {
    return ok() ? absl::OkStatus() : absl::InvalidArgumentError(error_);
  }
  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

 private:
  std::string_view bytes_;
  uint64_t position_ = 0;
  uint64_t last_ = 0;  // where the last read began
  std::string error_;
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_BYTE_CURSOR_H_
