#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/import/byte_cursor.h"
#include "trainer/import/numbers.h"
#include "trainer/import/readers.h"

namespace fmserve::trainer {
namespace {

constexpr uint32_t kPadTo = 4;  // k is padded to a multiple of it
constexpr uint64_t kFloatBytes = sizeof(float);

// By the number of values per parameter, less one (solver.cc).
constexpr std::array<const char*, 3> kOptimisers = {"sgd", "adagrad", "ftrl"};

struct ModelHead {
  bool linear = false;
  uint64_t features = 0;
  uint32_t k = 0;
  uint64_t aux = 0;  // values per parameter

  uint64_t padded_k() const { return (uint64_t{k} + kPadTo - 1) / kPadTo * kPadTo; }
  uint64_t w_count() const { return features * aux; }
  uint64_t v_count() const { return linear ? 0 : features * padded_k() * aux; }
};

std::string_view ReadName(ByteCursor& cursor, std::string_view what) {
  const auto size = cursor.Read<uint64_t>(what);
  return cursor.Take(size, what);
}

void ReadTask(ByteCursor& cursor, ImportedModel& model) {
  const std::string_view loss = ReadName(cursor, "the name of the loss");
  if (loss == "cross-entropy") {
    model.task = model::Task::kBinary;
  } else if (loss == "squared") {
    model.task = model::Task::kRegression;
  } else {
    cursor.Fail(
        absl::StrCat("the loss ", model::Quote(loss), " is not 'cross-entropy' or 'squared'"));
  }
}

void ReadScore(ByteCursor& cursor, ModelHead& header) {
  const std::string_view score = ReadName(cursor, "the name of the score");
  header.linear = score == "linear";
  if (score == "ffm") {
    cursor.Fail(
        "a field-aware model (FFM): a feature has factors for each field, which no factorization "
        "machine has; train one with xLearn's create_fm");
  } else if (!header.linear && score != "fm") {
    cursor.Fail(absl::StrCat("the score ", model::Quote(score), " is not 'linear', 'fm' or 'ffm'"));
  }
}

void ExpectCount(ByteCursor& cursor, uint64_t expected, std::string_view what) {
  const auto count = cursor.Read<uint32_t>(what);
  if (count == expected) return;
  cursor.Fail(
      absl::StrCat(count, " values of ", std::string(what), ", there should be ", expected));
}

ModelHead ReadHeader(ByteCursor& cursor, ImportedModel& model) {
  ModelHead header;
  ReadScore(cursor, header);
  ReadTask(cursor, model);
  header.features = cursor.Read<uint32_t>("the number of features");
  if (header.features == 0 || header.features > kMaxImportedRows) {
    cursor.Fail(absl::StrCat(header.features, " features, not 1 to ", kMaxImportedRows));
  }
  cursor.Read<uint32_t>("the number of fields");
  header.k = cursor.Read<uint32_t>("k");
  if (!header.linear && (header.k == 0 || header.k > model::kMaxK)) {
    cursor.Fail(absl::StrCat(header.k, " factors, not 1 to ", model::kMaxK));
  }
  header.aux = cursor.Read<uint32_t>("the number of values per parameter");
  if (header.aux == 0 || header.aux > kOptimisers.size()) {
    cursor.Fail(absl::StrCat(header.aux, " values per parameter, not 1 to ", kOptimisers.size()));
  }
  ExpectCount(cursor, header.w_count(), "w");
  if (!header.linear) ExpectCount(cursor, header.v_count(), "v");
  return header;
}

// The first of each `stride` floats is a parameter.
absl::Status ReadLinear(std::string_view bytes, uint64_t offset, uint64_t stride,
                        std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t at = i * stride * kFloatBytes;
    absl::Status status =
        ReadFloats(NumberType::kF32, bytes.substr(at, kFloatBytes), offset + at, {&out[i], 1});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The factors of a feature and what pads them, then the optimiser's values.
absl::Status ReadFactors(std::string_view bytes, uint64_t offset, const ModelHead& header,
                         ImportedModel& model) {
  std::vector<float> padded(header.padded_k());
  const uint64_t size = padded.size() * kFloatBytes;
  for (uint64_t row = 0; row < header.features; ++row) {
    const uint64_t at = row * header.aux * size;
    absl::Status status = ReadFloats(NumberType::kF32, bytes.substr(at, size), offset + at, padded);
    if (!status.ok()) return status;
    for (uint64_t f = header.k; f < padded.size(); ++f) {
      if (padded[f] == 0.0F) continue;
      return absl::InvalidArgumentError(absl::StrCat("byte ", offset + at + f * kFloatBytes,
                                                     ": padding is ", padded[f], ", not 0"));
    }
    std::copy_n(padded.begin(), header.k, model.v.begin() + static_cast<ptrdiff_t>(row * header.k));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportedModel> ReadXlearnBinary(std::string_view bytes) {
  ImportedModel model;
  model.norm_is_open = true;
  ByteCursor cursor(bytes);
  const ModelHead header = ReadHeader(cursor, model);
  if (!cursor.ok()) return cursor.status();
  const uint64_t w_begin = cursor.position();
  const std::string_view w = cursor.Take(header.w_count() * kFloatBytes, "w");
  const uint64_t bias_begin = cursor.position();
  const std::string_view bias = cursor.Take(header.aux * kFloatBytes, "the bias");
  const uint64_t v_begin = cursor.position();
  const std::string_view v = cursor.Take(header.v_count() * kFloatBytes, "v");
  cursor.ExpectEnd();
  if (!cursor.ok()) return cursor.status();

  float w0 = 0.0F;
  model.k = header.linear ? 1 : header.k;
  model.w.resize(header.features);
  model.v.resize(header.features * model.k);
  absl::Status status = ReadLinear(bias, bias_begin, header.aux, {&w0, 1});
  if (status.ok()) status = ReadLinear(w, w_begin, header.aux, model.w);
  if (status.ok() && !header.linear) status = ReadFactors(v, v_begin, header, model);
  if (!status.ok()) return status;
  model.w0 = w0;
  model.notes.emplace_back("optimiser", kOptimisers[header.aux - 1]);
  return model;
}

}  // namespace fmserve::trainer
