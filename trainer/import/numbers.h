// Numbers of foreign files as floats.
#ifndef FMSERVE_TRAINER_IMPORT_NUMBERS_H_
#define FMSERVE_TRAINER_IMPORT_NUMBERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace fmserve::trainer {

enum class NumberType : uint8_t { kF16, kF32, kF64 };  // IEEE 754, little-endian

size_t SizeBytes(NumberType type);

// The number that begins at `bytes`, which may lie anywhere.
double NumberAt(NumberType type, const char* bytes);

// bytes.size() == out.size() * SizeBytes(type). `offset` is where the bytes begin in their file:
// InvalidArgument names the byte of the first number that is not finite or too large for a float.
absl::Status ReadFloats(NumberType type, std::string_view bytes, uint64_t offset,
                        std::span<float> out);

// Whether `value` becomes a finite float.
bool FitsFloat(double value);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_NUMBERS_H_
