#include "trainer/import/numbers.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/half.h"

namespace fmserve::trainer {
namespace {

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace

size_t SizeBytes(NumberType type) {
  switch (type) {
    case NumberType::kF16:
      return 2;
    case NumberType::kF32:
      return 4;
    case NumberType::kF64:
      return 8;
  }
  return 0;
}

double NumberAt(NumberType type, const char* bytes) {
  switch (type) {
    case NumberType::kF16:
      return model::FloatFromHalf(Load<uint16_t>(bytes));
    case NumberType::kF32:
      return Load<float>(bytes);
    case NumberType::kF64:
      return Load<double>(bytes);
  }
  return 0.0;
}

bool FitsFloat(double value) { return std::abs(value) <= std::numeric_limits<float>::max(); }

absl::Status ReadFloats(NumberType type, std::string_view bytes, uint64_t offset,
                        std::span<float> out) {
  const size_t size_bytes = SizeBytes(type);
  for (size_t i = 0; i < out.size(); ++i) {
    const double value = NumberAt(type, bytes.data() + i * size_bytes);
    if (!FitsFloat(value)) {
      return absl::InvalidArgumentError(absl::StrCat("byte ", offset + i * size_bytes, ": ", value,
                                                     " is not a finite 32-bit number"));
    }
    out[i] = static_cast<float>(value);
  }
  return absl::OkStatus();
}

}  // namespace fmserve::trainer
