// Small weight files and deltas between them, for the tests of what reads deltas.
#ifndef FMSERVE_TESTS_MODEL_SAMPLE_DELTA_H_
#define FMSERVE_TESTS_MODEL_SAMPLE_DELTA_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "model/weight_delta.h"
#include "model/weight_file.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {

// A model by its keys: each row's weights are a function of key and seed.
struct DeltaModel {
  struct Row {
    uint64_t seed = 0;
    uint64_t count = 1;
    std::string name{};
  };
  std::map<uint64_t, Row> rows{};
  Quantization quantization = Quantization::kF32;
  uint32_t k = 3;
  bool with_names = true;
  std::optional<uint64_t> training_rows = 100;
  std::string note = "a";  // in the metadata
  std::optional<FieldMatrix> field_matrix{};
};

// Rows of the keys 1 to `rows_count`.
DeltaModel ModelOfRows(uint64_t rows_count);

std::shared_ptr<const WeightFile> OpenModel(const DeltaModel& model);

// The bytes of a delta; `base_sha256` and `result_sha256` are of no account to the reader.
absl::StatusOr<AlignedBytes> MakeDelta(const WeightFile& base, const WeightFile& result,
                                       DeltaCounts* counts = nullptr);

// What it makes of `base`.
absl::StatusOr<std::string> ApplyDelta(std::span<const std::byte> delta, const WeightFile& base,
                                       uint64_t max_bytes = 1 << 30);

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_SAMPLE_DELTA_H_
