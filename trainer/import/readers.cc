#include "trainer/import/readers.h"

#include <cstring>

namespace fmserve::trainer {
namespace {

// Longer than any name that xLearn gives a score.
constexpr uint64_t kLongestScoreName = 6;

bool IsXlearnBinary(std::string_view bytes, uint64_t first_word) {
  if (first_word > kLongestScoreName) return false;
  const std::string_view score = bytes.substr(sizeof(first_word), first_word);
  return score == "linear" || score == "fm" || score == "ffm";
}

// The name of the first member stands behind a header of 30 bytes, its length at 26 (PKWARE
// APPNOTE 4.3.7).
bool BeginsWithNpy(std::string_view zip) {
  uint16_t name_bytes = 0;
  if (zip.size() < 30) return false;
  std::memcpy(&name_bytes, zip.data() + 26, sizeof(name_bytes));
  return zip.substr(30, name_bytes).ends_with(".npy");
}

bool IsTar(std::string_view bytes) {
  return bytes.size() >= 512 && bytes.substr(257, 5) == "ustar";
}

std::optional<ImportFormat> DetectText(std::string_view bytes) {
  if (bytes.starts_with("#global bias") || bytes.starts_with("#unary interactions") ||
      bytes.starts_with("#pairwise interactions")) {
    return ImportFormat::kLibfm;
  }
  if (bytes.starts_with("bias:")) return ImportFormat::kXlearnText;
  if (bytes.starts_with("bias ")) return ImportFormat::kAlphafmText;
  return std::nullopt;
}

}  // namespace

std::string_view Name(ImportFormat format) {
  switch (format) {
    case ImportFormat::kLibfm:
      return "libfm";
    case ImportFormat::kXlearnText:
      return "xlearn-text";
    case ImportFormat::kXlearnBinary:
      return "xlearn-binary";
    case ImportFormat::kAlphafmText:
      return "alphafm-text";
    case ImportFormat::kAlphafmBinary:
      return "alphafm-binary";
    case ImportFormat::kSageMaker:
      return "sagemaker";
    case ImportFormat::kNpz:
      return "npz";
  }
  return "";
}

std::optional<ImportFormat> DetectFormat(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04")) {
    return BeginsWithNpy(bytes) ? ImportFormat::kNpz : ImportFormat::kSageMaker;
  }
  if (bytes.starts_with("\x1f\x8b") || IsTar(bytes)) return ImportFormat::kSageMaker;
  if (const auto text = DetectText(bytes)) return text;
  uint64_t first_word = 0;
  if (bytes.size() < sizeof(first_word)) return std::nullopt;
  std::memcpy(&first_word, bytes.data(), sizeof(first_word));
  constexpr uint64_t kNdArrayListMagic = 0x112;
  constexpr uint64_t kAlphafmVersion = 1;
  if (first_word == kNdArrayListMagic) return ImportFormat::kSageMaker;
  if (first_word == kAlphafmVersion) return ImportFormat::kAlphafmBinary;
  if (IsXlearnBinary(bytes, first_word)) return ImportFormat::kXlearnBinary;
  return std::nullopt;
}

absl::StatusOr<ImportedModel> ReadModel(ImportFormat format, std::string_view bytes) {
  switch (format) {
    case ImportFormat::kLibfm:
      return ReadLibfmText(bytes);
    case ImportFormat::kXlearnText:
      return ReadXlearnText(bytes);
    case ImportFormat::kXlearnBinary:
      return ReadXlearnBinary(bytes);
    case ImportFormat::kAlphafmText:
      return ReadAlphafmText(bytes);
    case ImportFormat::kAlphafmBinary:
      return ReadAlphafmBinary(bytes);
    case ImportFormat::kSageMaker:
      return ReadSageMaker(bytes);
    case ImportFormat::kNpz:
      return ReadNpz(bytes);
  }
  return absl::InvalidArgumentError("unknown format");
}

}  // namespace fmserve::trainer
