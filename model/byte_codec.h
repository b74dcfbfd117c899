// Little-endian encoding of the small sections of a weight file (schema, goldens, metadata), and
// decoding that never reads out of bounds. Internal to model/.
#ifndef FMSERVE_MODEL_BYTE_CODEC_H_
#define FMSERVE_MODEL_BYTE_CODEC_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace fmserve::model {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

class ByteWriter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Write(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
  }

  // uint32 length in bytes, then the bytes. At most 4 GiB - 1.
  void WriteString(std::string_view text) {
    Write(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
  }

  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// The first failure sticks: from then on ok() is false and every read returns zero or "", so a
// parser may read a whole record and ask once. Strings are views into the bytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T> T Read() {
    T value{};
    if (const std::string_view raw = Take(sizeof(T)); !raw.empty())
      std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  std::string_view ReadString(uint32_t max_bytes) {
    const auto size = Read<uint32_t>();
    if (size > max_bytes)
      Fail(absl::StrCat("a text of ", size, " bytes, more than the ", max_bytes, " allowed"));
    return Take(size);
  }

  // A uint32 count of records that follow, each of at least `min_record_bytes`: what the bytes
  // cannot hold is found before anything is reserved for it.
  uint32_t ReadCount(uint32_t max, size_t min_record_bytes) {
    const auto count = Read<uint32_t>();
    if (count > max) Fail(absl::StrCat("a count of ", count, ", more than the ", max, " allowed"));
    if (count * min_record_bytes > remaining()) {
      Fail(absl::StrCat("a count of ", count, ", more than the ", remaining(),
                        " bytes after it hold"));
    }
    return ok() ? count : 0;
  }

  void ExpectEnd() {
    if (remaining() > 0) Fail(absl::StrCat(remaining(), " bytes left over"));
  }

  // Records what the caller found wrong with what it read last; the first failure wins.
  void Fail(const std::string& what) {
    if (ok()) error_ = absl::StrCat(what, " (before byte ", position_, ")");
  }

  bool ok() const { return error_.empty(); }

  // DataLoss naming the byte, or OK.
  absl::Status status() const { return ok() ? absl::OkStatus() : absl::DataLossError(error_); }

 private:
  size_t remaining() const { return bytes_.size() - position_; }

  std::string_view Take(size_t size) {
    if (size > remaining()) Fail(absl::StrCat("ends early: ", remaining(), " of ", size, " bytes"));
    if (!ok()) return {};
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

  std::string_view bytes_;
  size_t position_ = 0;
  std::string error_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_BYTE_CODEC_H_
