#include "model/file_header.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/row_layout.h"
#include "model/types.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::SectionType;

absl::Status Problem(size_t offset, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("header at offset ", offset, ": ", what));
}

absl::Status CheckNameField(const FileHeader& header) {
  const auto* const end =
      std::find(std::begin(header.model_name), std::end(header.model_name), '\0');
  if (end == std::end(header.model_name)) {
    return Problem(offsetof(FileHeader, model_name), "the model name does not end in NUL");
  }
  if (!std::all_of(end, std::end(header.model_name), [](char c) { return c == '\0'; })) {
    return Problem(offsetof(FileHeader, model_name), "the model name is not padded with NUL");
  }
  const absl::Status status = CheckModelName({std::begin(header.model_name), end});
  return status.ok() ? status
                     : Problem(offsetof(FileHeader, model_name), std::string(status.message()));
}

absl::Status CheckEnums(const FileHeader& header) {
  if (header.task > static_cast<uint8_t>(Task::kRegression)) {
    return Problem(offsetof(FileHeader, task), absl::StrCat("unknown task ", header.task));
  }
  if (header.quantization > static_cast<uint8_t>(Quantization::kInt8)) {
    return Problem(offsetof(FileHeader, quantization),
                   absl::StrCat("unknown quantization ", header.quantization));
  }
  if (header.link > static_cast<uint8_t>(Link::kSigmoid)) {
    return Problem(offsetof(FileHeader, link), absl::StrCat("unknown link ", header.link));
  }
  if (header.calibration_kind > static_cast<uint8_t>(CalibrationKind::kPlatt)) {
    return Problem(offsetof(FileHeader, calibration_kind),
                   absl::StrCat("unknown calibration ", header.calibration_kind));
  }
  const bool wants_sigmoid = header.task == static_cast<uint8_t>(Task::kBinary);
  if (wants_sigmoid != (header.link == static_cast<uint8_t>(Link::kSigmoid))) {
    return Problem(offsetof(FileHeader, link), wants_sigmoid
                                                   ? "a binary task needs the sigmoid link"
                                                   : "a regression task needs the identity link");
  }
  return absl::OkStatus();
}

absl::Status CheckCounts(const FileHeader& header) {
  if (header.k < 1 || header.k > kMaxK) {
    return Problem(offsetof(FileHeader, k), absl::StrCat("k is ", header.k, ", not 1 to ", kMaxK));
  }
  if (header.slots_count < 1 || header.slots_count > format::kMaxSlots) {
    return Problem(offsetof(FileHeader, slots_count),
                   absl::StrCat(header.slots_count, " slots, not 1 to ", format::kMaxSlots));
  }
  if (header.rows_count > header.slots_count) {
    return Problem(offsetof(FileHeader, rows_count),
                   absl::StrCat(header.rows_count, " rows in ", header.slots_count, " slots"));
  }
  const uint32_t stride_bytes = RowStrideBytes(Quantization{header.quantization}, header.k);
  if (header.row_stride_bytes != stride_bytes) {
    return Problem(
        offsetof(FileHeader, row_stride_bytes),
        absl::StrCat("the row stride is ", header.row_stride_bytes, ", not ", stride_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckNumbers(const FileHeader& header) {
  if (!std::isfinite(header.w0)) return Problem(offsetof(FileHeader, w0), "w0 is not finite");
  // A scale that is not positive would turn the order of candidates around.
  if (!std::isfinite(header.calibration_scale) || header.calibration_scale <= 0.0) {
    return Problem(offsetof(FileHeader, calibration_scale),
                   "the calibration scale is not finite and positive");
  }
  if (!std::isfinite(header.calibration_offset)) {
    return Problem(offsetof(FileHeader, calibration_offset),
                   "the calibration offset is not finite");
  }
  const bool calibrates = header.calibration_scale != 1.0 || header.calibration_offset != 0.0;
  if (header.calibration_kind == static_cast<uint8_t>(CalibrationKind::kNone) && calibrates) {
    return Problem(offsetof(FileHeader, calibration_scale),
                   "calibration 'none' needs scale 1 and offset 0");
  }
  return absl::OkStatus();
}

absl::Status CheckTable(const FileHeader& header, size_t image_bytes) {
  if (header.header_size != sizeof(FileHeader)) {
    return Problem(
        offsetof(FileHeader, header_size),
        absl::StrCat("the header has ", header.header_size, " bytes, not ", sizeof(FileHeader)));
  }
  if (header.sections_count > format::kMaxSections) {
    return Problem(offsetof(FileHeader, sections_count),
                   absl::StrCat(header.sections_count, " sections, more than ",
                                format::kMaxSections, " are not allowed"));
  }
  if (TableEnd(header) > image_bytes) {
    return Problem(offsetof(FileHeader, sections_count),
                   absl::StrCat("a table of ", header.sections_count, " sections does not fit in ",
                                image_bytes, " bytes"));
  }
  return absl::OkStatus();
}

// A newer minor version may give reserved bytes a meaning that older readers may ignore.
absl::Status CheckReserved(const FileHeader& header) {
  const bool zero = std::all_of(std::begin(header.reserved), std::end(header.reserved),
                                [](uint8_t b) { return b == 0; });
  if (zero || header.format_minor > format::kMinor) return absl::OkStatus();
  return Problem(offsetof(FileHeader, reserved), "reserved bytes are not zero");
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
  }
  return "unknown";
}

absl::Status CheckModelName(std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("the model name is empty");
  if (name.size() >= sizeof(FileHeader::model_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model name has ", name.size(), " bytes, more than ",
                     sizeof(FileHeader::model_name) - 1, " are not allowed"));
  }
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), allowed) || name.front() == '.') {
    return absl::InvalidArgumentError(
        "the model name has characters other than A-Z a-z 0-9 _ . - or begins with a dot");
  }
  return absl::OkStatus();
}

void SetModelName(std::string_view name, FileHeader& header) {
  std::fill(std::begin(header.model_name), std::end(header.model_name), '\0');
  std::copy(name.begin(), name.end(), std::begin(header.model_name));
}

absl::Status CheckHeaderFields(const FileHeader& header) {
  for (const auto check : {CheckNameField, CheckEnums, CheckCounts, CheckNumbers}) {
    if (absl::Status status = check(header); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<FileHeader> ReadHeader(std::span<const std::byte> image) {
  FileHeader header;
  if (image.size() < sizeof(header)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a weight file: ", image.size(), " bytes, shorter than a header"));
  }
  std::memcpy(&header, image.data(), sizeof(header));
  if (std::memcmp(header.magic, format::kMagic, sizeof(header.magic)) != 0) {
    return absl::InvalidArgumentError(
        "not a weight file: header at offset 0: the magic is not FMSERVEW");
  }
  if (header.format_major != format::kMajor) {
    return absl::UnimplementedError(
        absl::StrCat("header at offset ", offsetof(FileHeader, format_major), ": format version ",
                     header.format_major, ".", header.format_minor, "; this program reads version ",
                     format::kMajor));
  }
  if (absl::Status status = CheckTable(header, image.size()); !status.ok()) return Damaged(status);
  const Checksum checksum = HeaderChecksum(image, header);
  if (std::memcmp(checksum.data(), header.header_checksum, checksum.size()) != 0) {
    return Damaged(Problem(offsetof(FileHeader, header_checksum),
                           "the checksum does not match header and table"));
  }
  if (absl::Status status = CheckReserved(header); !status.ok()) return Damaged(status);
  if (absl::Status status = CheckHeaderFields(header); !status.ok()) return Damaged(status);
  return header;
}

Checksum HeaderChecksum(std::span<const std::byte> image, const FileHeader& header) {
  Hasher hasher;
  hasher.Update(image.first(offsetof(FileHeader, header_checksum)));
  hasher.Update(image.subspan(sizeof(FileHeader), TableEnd(header) - sizeof(FileHeader)));
  return hasher.Digest();
}

}  // namespace fmserve::model
