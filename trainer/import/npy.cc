#include "trainer/import/npy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "model/feature_schema.h"
#include "model/text.h"
#include "trainer/import/byte_cursor.h"
#include "trainer/import/numbers.h"

namespace fmserve::trainer {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint32_t kMaxHeaderBytes = 1 << 16;
constexpr size_t kMaxNpyDimensions = 8;
constexpr uint64_t kCharacterBytes = 4;  // of a NumPy string of characters: UTF-32

// The dictionary, from its brace on: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, Npy& array) : text_(text), rest_(text), array_(array) {}

  bool Parse() {
    if (!Take('{')) return false;
    while (!Take('}')) {
      const std::optional<std::string_view> key = String();
      if (!key || !Take(':') || !Value(*key)) return false;
      if (!Take(',') && !Ahead('}')) return false;
    }
    SkipSpace();
    return rest_.empty() && keys_seen_ == 3 && !array_.descr.empty();
  }

  size_t position() const { return text_.size() - rest_.size(); }

 private:
  void SkipSpace() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }
  bool Ahead(char wanted) {
    SkipSpace();
    return rest_.starts_with(wanted);
  }
  bool Take(char wanted) {
    const bool there = Ahead(wanted);
    if (there) rest_.remove_prefix(1);
    return there;
  }
  bool TakeWord(std::string_view word) {
    SkipSpace();
    const bool there = rest_.starts_with(word);
    if (there) rest_.remove_prefix(word.size());
    return there;
  }

  std::optional<std::string_view> String() {
    const char quote = Ahead('"') ? '"' : '\'';
    if (!Take(quote)) return std::nullopt;
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view string = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return string;
  }

  bool Value(std::string_view key) {
    ++keys_seen_;
    if (key == "descr") {
      const std::optional<std::string_view> descr = String();
      array_.descr = descr.value_or("");
      return descr.has_value();
    }
    if (key == "fortran_order") {
      array_.fortran_order = TakeWord("True");
      return array_.fortran_order || TakeWord("False");
    }
    return key == "shape" && array_.shape.empty() && Tuple();
  }

  bool Tuple() {
    if (!Take('(')) return false;
    while (!Take(')')) {
      SkipSpace();
      const size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      const std::optional<int64_t> length = model::ParseInteger(rest_.substr(0, end));
      if (!length || array_.shape.size() == kMaxNpyDimensions) return false;
      rest_.remove_prefix(end);
      array_.shape.push_back(static_cast<uint64_t>(*length));
      if (!Take(',') && !Ahead(')')) return false;
    }
    return true;
  }

  std::string_view text_;
  std::string_view rest_;
  Npy& array_;
  int keys_seen_ = 0;
};

// Bytes of an element of such a type; 0 if it is not known.
uint64_t ElementBytes(std::string_view descr) {
  if (descr.size() < 3) return 0;
  const std::optional<int64_t> size = model::ParseInteger(descr.substr(2));
  if (!size || *size < 1 || *size > std::numeric_limits<int32_t>::max()) return 0;
  const auto bytes = static_cast<uint64_t>(*size);
  return descr[1] == 'U' ? bytes * kCharacterBytes : bytes;
}

std::optional<NumberType> NumberTypeOf(const Npy& array) {
  if (array.descr == "<f2") return NumberType::kF16;
  if (array.descr == "<f4") return NumberType::kF32;
  if (array.descr == "<f8") return NumberType::kF64;
  return std::nullopt;
}

absl::Status AtData(const Npy& array, uint64_t offset, std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("byte ", array.data_offset + offset, ": ", std::string(reason)));
}

absl::StatusOr<NumberType> CheckNumbers(const Npy& array) {
  const std::optional<NumberType> type = NumberTypeOf(array);
  if (type) return *type;
  return AtData(array, 0,
                absl::StrCat("numbers of type ", model::Quote(array.descr),
                             ", not '<f2', '<f4' or '<f8'; store them as numpy.float32"));
}

// Appends a code point as UTF-8 (RFC 3629).
bool AppendUtf8(uint32_t point, std::string& out) {
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (point >> shift & 0x3f)));
  };
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
  return true;
}

// An element of a string array, without the zeros that pad it; nothing if it is not Unicode.
std::optional<std::string> TextOf(bool characters, std::string_view element) {
  if (!characters) return std::string(element.substr(0, element.find_last_not_of('\0') + 1));
  std::string text;
  size_t text_end = 0;  // behind the last character that is not zero
  for (size_t i = 0; i + kCharacterBytes <= element.size(); i += kCharacterBytes) {
    uint32_t point = 0;
    std::memcpy(&point, element.data() + i, sizeof(point));
    if (!AppendUtf8(point, text)) return std::nullopt;
    if (point != 0) text_end = text.size();
  }
  text.resize(text_end);
  return text;
}

}  // namespace

absl::StatusOr<Npy> ParseNpy(std::string_view bytes) {
  Npy array;
  ByteCursor cursor(bytes);
  if (cursor.Take(kMagic.size(), "the magic text") != kMagic) cursor.Fail("not a NumPy array");
  const auto version = cursor.Read<uint8_t>("the version");
  if (version < 1 || version > 3) {
    cursor.Fail(absl::StrCat("version ", static_cast<int>(version), ", not 1 to 3"));
  }
  cursor.Read<uint8_t>("the version");
  const uint32_t header_bytes = version == 1 ? cursor.Read<uint16_t>("the length of the header")
                                             : cursor.Read<uint32_t>("the length of the header");
  if (header_bytes > kMaxHeaderBytes) {
    cursor.Fail(absl::StrCat("a header of ", header_bytes, " bytes, more than the ",
                             kMaxHeaderBytes, " allowed"));
  }
  const uint64_t header_begin = cursor.position();
  HeaderParser parser(cursor.Take(header_bytes, "the header"), array);
  if (!cursor.ok()) return cursor.status();
  if (!parser.Parse()) {
    return absl::InvalidArgumentError(
        absl::StrCat("byte ", header_begin + parser.position(),
                     ": not {'descr': type, 'fortran_order': True or False, 'shape': (n, …)}"));
  }
  const uint64_t element_bytes = ElementBytes(array.descr);
  if (element_bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat("byte ", header_begin, ": elements of type ",
                                                   model::Quote(array.descr), " are not known"));
  }
  array.data_offset = cursor.position();
  const uint64_t elements_left = cursor.remaining() / element_bytes;
  array.count = 1;
  for (const uint64_t length : array.shape) {
    const bool too_many = length != 0 && array.count > elements_left / length;
    array.count = too_many ? elements_left + 1 : array.count * length;
    if (too_many) break;
  }
  array.data = cursor.Take(array.count * element_bytes, "the array");
  cursor.ExpectEnd();
  if (!cursor.ok()) return cursor.status();
  return array;
}

absl::StatusOr<std::vector<float>> NpyFloats(const Npy& array) {
  const absl::StatusOr<NumberType> type = CheckNumbers(array);
  if (!type.ok()) return type.status();
  std::vector<float> values(array.count);
  absl::Status status = ReadFloats(*type, array.data, array.data_offset, values);
  if (!status.ok()) return status;
  if (!array.fortran_order || array.shape.size() < 2) return values;
  if (array.shape.size() > 2) return AtData(array, 0, "more than two dimensions");
  std::vector<float> by_rows(values.size());
  const uint64_t rows = array.shape[0];
  const uint64_t columns = array.shape[1];
  for (uint64_t i = 0; i < by_rows.size(); ++i) by_rows[i % rows * columns + i / rows] = values[i];
  return by_rows;
}

absl::StatusOr<double> NpyNumber(const Npy& array) {
  const absl::StatusOr<NumberType> type = CheckNumbers(array);
  if (!type.ok()) return type.status();
  if (array.count != 1) return AtData(array, 0, absl::StrCat(array.count, " numbers, not one"));
  const double value = NumberAt(*type, array.data.data());
  if (!FitsFloat(value))
    return AtData(array, 0, absl::StrCat(value, " is not a finite 32-bit number"));
  return value;
}

absl::StatusOr<std::vector<std::string>> NpyTexts(const Npy& array) {
  const std::string prefix = array.descr.substr(0, 2);
  const bool characters = prefix == "<U";
  if ((!characters && prefix != "|S") || array.shape.size() != 1) {
    return AtData(array, 0,
                  absl::StrCat("type ", model::Quote(array.descr), " in ", array.shape.size(),
                               " dimensions, not '|S<n>' or '<U<n>' in one"));
  }
  const uint64_t element_bytes = ElementBytes(array.descr);
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < array.count; ++i) {
    const uint64_t begin = i * element_bytes;
    std::optional<std::string> text = TextOf(characters, array.data.substr(begin, element_bytes));
    if (!text) return AtData(array, begin, "not a text of Unicode characters");
    if (text->size() > model::kMaxValueBytes) {
      return AtData(array, begin,
                    absl::StrCat("a text of ", text->size(), " bytes, more than the ",
                                 model::kMaxValueBytes, " allowed"));
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

}  // namespace fmserve::trainer
