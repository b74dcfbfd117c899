#include "model/types.h"

namespace fmserve::model {

std::string_view Name(Task task) {
  switch (task) {
    case Task::kBinary:
      return "binary";
    case Task::kRegression:
      return "regression";
  }
  return "unknown";
}

std::string_view Name(Quantization quantization) {
  switch (quantization) {
    case Quantization::kF32:
      return "f32";
    case Quantization::kF16:
      return "f16";
    case Quantization::kInt8:
      return "int8";
  }
  return "unknown";
}

std::string_view Name(Link link) {
  switch (link) {
    case Link::kIdentity:
      return "identity";
    case Link::kSigmoid:
      return "sigmoid";
  }
  return "unknown";
}

std::string_view Name(CalibrationKind kind) {
  switch (kind) {
    case CalibrationKind::kNone:
      return "none";
    case CalibrationKind::kPlatt:
      return "platt";
  }
  return "unknown";
}

}  // namespace fmserve::model
