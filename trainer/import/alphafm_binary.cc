#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/feature_schema.h"
#include "trainer/import/byte_cursor.h"
#include "trainer/import/numbers.h"
#include "trainer/import/readers.h"

namespace fmserve::trainer {
namespace {

struct FileHead {
  NumberType type = NumberType::kF64;
  uint32_t k = 0;
  uint64_t features = 0;    // with the bias
  uint64_t unit_bytes = 0;  // the numbers of a feature
};

FileHead ReadHeader(ByteCursor& cursor) {
  FileHead header;
  if (const auto version = cursor.Read<uint64_t>("the version"); version != 1) {
    cursor.Fail(absl::StrCat("version ", version, ", not 1"));
  }
  const auto number_bytes = cursor.Read<uint64_t>("the size of a number");
  header.type = number_bytes == 4 ? NumberType::kF32 : NumberType::kF64;
  if (number_bytes != SizeBytes(header.type)) {
    cursor.Fail(absl::StrCat("numbers of ", number_bytes, " bytes, not 4 or 8"));
  }
  const auto k = cursor.Read<uint64_t>("k");
  if (k > model::kMaxK) cursor.Fail(absl::StrCat(k, " factors, not 0 to ", model::kMaxK));
  header.k = static_cast<uint32_t>(std::min<uint64_t>(k, model::kMaxK));
  header.features = cursor.Read<uint64_t>("the number of features");
  if (header.features < 2 || header.features > kMaxImportedRows) {
    cursor.Fail(
        absl::StrCat(header.features, " features with the bias, not 2 to ", kMaxImportedRows));
  }
  cursor.Read<uint64_t>("the number of features that are not 0");
  if (const auto flag = cursor.Read<uint64_t>("the mark of success"); flag != 1) {
    cursor.Fail(absl::StrCat("the mark of success is ", flag,
                             ", not 1: alphaFM was interrupted while it wrote the file"));
  }
  header.unit_bytes = 3 * (uint64_t{header.k} + 1) * SizeBytes(header.type);
  if (const auto unit = cursor.Read<uint64_t>("the size of a feature"); unit != header.unit_bytes) {
    cursor.Fail(
        absl::StrCat(unit, " bytes of numbers per feature, there should be ", header.unit_bytes));
  }
  // What the bytes cannot hold is found before anything is reserved for it.
  if (cursor.ok() &&
      header.features > cursor.remaining() / (sizeof(uint16_t) + header.unit_bytes)) {
    cursor.Take(header.features * (sizeof(uint16_t) + header.unit_bytes), "what is promised");
  }
  return header;
}

std::string_view ReadName(ByteCursor& cursor) {
  const auto size = cursor.Read<uint16_t>("the length of a name");
  if (size == 0 || size > model::kMaxValueBytes) {
    cursor.Fail(absl::StrCat("a name of ", size, " bytes, not 1 to ", model::kMaxValueBytes));
  }
  return cursor.Take(size, "a name");
}

// The record of the bias is as long as the others, but only its first number was ever set.
void ReadBias(const FileHead& header, ByteCursor& cursor, ImportedModel& model) {
  if (ReadName(cursor) != "bias") cursor.Fail("the first feature is not 'bias'");
  const std::string_view unit = cursor.Take(header.unit_bytes, "the bias");
  if (!cursor.ok()) return;
  model.w0 = NumberAt(header.type, unit.data());
  if (!FitsFloat(model.w0)) cursor.Fail("the bias is not a finite 32-bit number");
}

absl::Status ReadFeature(const FileHead& header, size_t row, ByteCursor& cursor,
                         ImportedModel& model) {
  const std::string_view name = ReadName(cursor);
  const uint64_t begin = cursor.position();
  const std::string_view unit = cursor.Take(header.unit_bytes, "the numbers of a feature");
  if (!cursor.ok()) return cursor.status();
  model.names.emplace_back(name);
  const uint64_t number_bytes = SizeBytes(header.type);
  const uint64_t v_begin = 3 * number_bytes;  // behind w and its n and z
  absl::Status status =
      ReadFloats(header.type, unit.substr(0, number_bytes), begin, {&model.w[row], 1});
  if (!status.ok()) return status;
  return ReadFloats(header.type, unit.substr(v_begin, header.k * number_bytes), begin + v_begin,
                    {model.v.data() + row * model.k, header.k});
}

}  // namespace

absl::StatusOr<ImportedModel> ReadAlphafmBinary(std::string_view bytes) {
  ImportedModel model;
  model.task = model::Task::kBinary;
  ByteCursor cursor(bytes);
  const FileHead header = ReadHeader(cursor);
  ReadBias(header, cursor, model);
  if (!cursor.ok()) return cursor.status();

  const size_t rows = header.features - 1;
  model.k = std::max<uint32_t>(header.k, 1);
  model.names.reserve(rows);
  model.w.resize(rows);
  model.v.resize(rows * model.k);
  for (size_t row = 0; row < rows; ++row) {
    if (absl::Status status = ReadFeature(header, row, cursor, model); !status.ok()) return status;
  }
  cursor.ExpectEnd();
  if (!cursor.ok()) return cursor.status();
  return model;
}

}  // namespace fmserve::trainer
