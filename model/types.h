// The small enumerations that a weight file, a trainer and a server share.
#ifndef FMSERVE_MODEL_TYPES_H_
#define FMSERVE_MODEL_TYPES_H_

#include <cstdint>
#include <string_view>

namespace fmserve::model {

// The values are those of the file format (WEIGHT_FORMAT.md); never renumber them.
enum class Task : uint8_t { kBinary = 0, kRegression = 1 };
enum class Quantization : uint8_t { kF32 = 0, kF16 = 1, kInt8 = 2 };
enum class Link : uint8_t { kIdentity = 0, kSigmoid = 1 };
enum class CalibrationKind : uint8_t { kNone = 0, kPlatt = 1 };

// Names as they are printed and parsed on command lines: "binary", "f16", "sigmoid", "platt" …
std::string_view Name(Task task);
std::string_view Name(Quantization quantization);
std::string_view Name(Link link);
std::string_view Name(CalibrationKind kind);

// Maps a score to the score that the link is applied to: scale * score + offset (Platt 1999).
// {kNone, 1, 0} leaves the score as it is.
struct Calibration {
  CalibrationKind kind = CalibrationKind::kNone;
  double scale = 1.0;
  double offset = 0.0;
};

inline constexpr uint32_t kMaxK = 256;
inline constexpr uint32_t kMaxFields = 256;

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_TYPES_H_
