#include "model/field_matrix.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/byte_codec.h"
#include "model/types.h"

namespace fmserve::model {
namespace {

// What is wrong with it; empty when nothing is.
std::string RankProblem(uint32_t rank, uint32_t k) {
  if (rank < 1 || rank > kMaxFieldRank)
    return absl::StrCat("the rank is ", rank, ", not 1 to ", kMaxFieldRank);
  // An item folds into rank * k numbers.
  if (uint64_t{rank} * k > kMaxK)
    return absl::StrCat("rank ", rank, " times k = ", k, " is more than ", kMaxK);
  return "";
}

std::string NumberProblem(const FieldMatrix& matrix, size_t fields_count) {
  for (uint32_t r = 0; r < matrix.rank; ++r) {
    if (!std::isfinite(matrix.scales[r])) return absl::StrCat("scale ", r, " is not finite");
  }
  for (size_t field = 0; field < fields_count; ++field) {
    for (uint32_t r = 0; r < matrix.rank; ++r) {
      const float factor = matrix.factors_of(field)[r];
      const char* const what = !std::isfinite(factor) ? " is not finite"
                               : !std::isfinite(matrix.scales[r] * factor * factor)
                                   ? " squared, times its scale, is not finite"
                                   : nullptr;
      if (what != nullptr) return absl::StrCat("factor ", r, " of field ", field, what);
    }
  }
  return "";
}

}  // namespace

double FieldMatrix::Weight(size_t field, size_t other) const {
  double weight = 0.0;
  for (uint32_t r = 0; r < rank; ++r)
    weight += double{scales[r]} * factors_of(field)[r] * factors_of(other)[r];
  return weight;
}

absl::Status CheckFieldMatrix(const FieldMatrix& matrix, size_t fields_count, uint32_t k) {
  std::string problem = RankProblem(matrix.rank, k);
  if (problem.empty() && (matrix.scales.size() != matrix.rank ||
                          matrix.factors.size() != fields_count * matrix.rank)) {
    problem = absl::StrCat(matrix.scales.size(), " scales and ", matrix.factors.size(),
                           " factors, but rank ", matrix.rank, " and ", fields_count,
                           " fields take ", matrix.rank, " and ", fields_count * matrix.rank);
  }
  if (problem.empty()) problem = NumberProblem(matrix, fields_count);
  return problem.empty() ? absl::OkStatus() : absl::InvalidArgumentError(problem);
}

std::string SerializeFieldMatrix(const FieldMatrix& matrix) {
  ByteWriter writer;
  writer.Write(matrix.rank);
  for (const float scale : matrix.scales) writer.Write(scale);
  for (const float factor : matrix.factors) writer.Write(factor);
  return std::move(writer).Take();
}

absl::StatusOr<FieldMatrix> ParseFieldMatrix(std::string_view bytes, size_t fields_count,
                                             uint32_t k) {
  ByteReader reader(bytes);
  FieldMatrix matrix;
  matrix.rank = reader.Read<uint32_t>();
  // Before anything is reserved for it.
  if (const std::string problem = RankProblem(matrix.rank, k); reader.ok() && !problem.empty())
    reader.Fail(problem);
  if (!reader.ok()) return reader.status();
  matrix.scales.resize(matrix.rank);
  matrix.factors.resize(fields_count * matrix.rank);
  for (float& scale : matrix.scales) scale = reader.Read<float>();
  for (float& factor : matrix.factors) factor = reader.Read<float>();
  reader.ExpectEnd();
  if (!reader.ok()) return reader.status();
  if (absl::Status status = CheckFieldMatrix(matrix, fields_count, k); !status.ok())
    return absl::DataLossError(status.message());
  return matrix;
}

}  // namespace fmserve::model
