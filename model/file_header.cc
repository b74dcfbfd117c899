#include "model/file_header.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/row_layout.h"
#include "model/types.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::SectionType;

absl::Status CheckName(const FileHeader& header) { return CheckNameField(header.model_name); }

absl::Status CheckEnums(const FileHeader& header) {
  if (header.task > static_cast<uint8_t>(Task::kRegression)) {
    return HeaderProblem(offsetof(FileHeader, task), absl::StrCat("unknown task ", header.task));
  }
  if (header.quantization > static_cast<uint8_t>(Quantization::kInt8)) {
    return HeaderProblem(offsetof(FileHeader, quantization),
                         absl::StrCat("unknown quantization ", header.quantization));
  }
  if (header.link > static_cast<uint8_t>(Link::kSigmoid)) {
    return HeaderProblem(offsetof(FileHeader, link), absl::StrCat("unknown link ", header.link));
  }
  if (header.calibration_kind > static_cast<uint8_t>(CalibrationKind::kPlatt)) {
    return HeaderProblem(offsetof(FileHeader, calibration_kind),
                         absl::StrCat("unknown calibration ", header.calibration_kind));
  }
  const bool wants_sigmoid = header.task == static_cast<uint8_t>(Task::kBinary);
  if (wants_sigmoid != (header.link == static_cast<uint8_t>(Link::kSigmoid))) {
    return HeaderProblem(offsetof(FileHeader, link),
                         wants_sigmoid ? "a binary task needs the sigmoid link"
                                       : "a regression task needs the identity link");
  }
  return absl::OkStatus();
}

absl::Status CheckCounts(const FileHeader& header) {
  if (header.k < 1 || header.k > kMaxK) {
    return HeaderProblem(offsetof(FileHeader, k),
                         absl::StrCat("k is ", header.k, ", not 1 to ", kMaxK));
  }
  if (header.slots_count < 1 || header.slots_count > format::kMaxSlots) {
    return HeaderProblem(offsetof(FileHeader, slots_count),
                         absl::StrCat(header.slots_count, " slots, not 1 to ", format::kMaxSlots));
  }
  if (header.rows_count > header.slots_count) {
    return HeaderProblem(
        offsetof(FileHeader, rows_count),
        absl::StrCat(header.rows_count, " rows in ", header.slots_count, " slots"));
  }
  const uint32_t stride_bytes = RowStrideBytes(Quantization{header.quantization}, header.k);
  if (header.row_stride_bytes != stride_bytes) {
    return HeaderProblem(
        offsetof(FileHeader, row_stride_bytes),
        absl::StrCat("the row stride is ", header.row_stride_bytes, ", not ", stride_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckNumbers(const FileHeader& header) {
  if (!std::isfinite(header.w0)) return HeaderProblem(offsetof(FileHeader, w0), "w0 is not finite");
  // A scale that is not positive would turn the order of candidates around.
  if (!std::isfinite(header.calibration_scale) || header.calibration_scale <= 0.0) {
    return HeaderProblem(offsetof(FileHeader, calibration_scale),
                         "the calibration scale is not finite and positive");
  }
  if (!std::isfinite(header.calibration_offset)) {
    return HeaderProblem(offsetof(FileHeader, calibration_offset),
                         "the calibration offset is not finite");
  }
  const bool calibrates = header.calibration_scale != 1.0 || header.calibration_offset != 0.0;
  if (header.calibration_kind == static_cast<uint8_t>(CalibrationKind::kNone) && calibrates) {
    return HeaderProblem(offsetof(FileHeader, calibration_scale),
                         "calibration 'none' needs scale 1 and offset 0");
  }
  return absl::OkStatus();
}

// A newer minor version may give reserved bytes a meaning that older readers may ignore.
absl::Status CheckReserved(const FileHeader& header) {
  const bool zero = std::all_of(std::begin(header.reserved), std::end(header.reserved),
                                [](uint8_t b) { return b == 0; });
  if (zero || header.format_minor > format::kMinor) return absl::OkStatus();
  return HeaderProblem(offsetof(FileHeader, reserved), "reserved bytes are not zero");
}

absl::Status Damaged(const absl::Status& status) { return absl::DataLossError(status.message()); }

}  // namespace

const char* SectionName(uint32_t type) {
  switch (SectionType{type}) {
    case SectionType::kSchema:
      return "schema";
    case SectionType::kDictionary:
      return "dictionary";
    case SectionType::kRows:
      return "rows";
    case SectionType::kGoldens:
      return "goldens";
    case SectionType::kMetadata:
      return "metadata";
    case SectionType::kNames:
      return "names";
    case SectionType::kCounts:
      return "counts";
    case SectionType::kFieldMatrix:
      return "field matrix";
  }
  return "unknown";
}

absl::Status CheckHeaderFields(const FileHeader& header) {
  for (const auto check : {CheckName, CheckEnums, CheckCounts, CheckNumbers}) {
    if (absl::Status status = check(header); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<FileHeader> ReadHeader(std::span<const std::byte> image) {
  if (absl::Status status = CheckEnvelope(image, kWeightFileKind); !status.ok()) return status;
  FileHeader header;
  std::memcpy(&header, image.data(), sizeof(header));
  if (absl::Status status = CheckReserved(header); !status.ok()) return Damaged(status);
  if (absl::Status status = CheckHeaderFields(header); !status.ok()) return Damaged(status);
  return header;
}

}  // namespace fmserve::model
