#include "tests/model/sample_delta.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/weight_writer.h"

namespace fmserve::model {
namespace {

std::string TemporaryPath(const char* suffix) {
  static int files = 0;
  return absl::StrCat(std::filesystem::temp_directory_path().string(), "/fmserve_delta_", getpid(),
                      "_", files++, suffix);
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

float Weight(uint64_t key, uint64_t seed, uint64_t index) {
  const uint64_t bits = DictionaryHash::Mix(key * 1000003 + seed * 101 + index);
  return static_cast<float>(bits >> 40) * 0x1p-24F - 0.5F;
}

}  // namespace

DeltaModel ModelOfRows(uint64_t rows_count) {
  DeltaModel model;
  for (uint64_t key = 1; key <= rows_count; ++key)
    model.rows[key] = {.seed = 0, .count = key, .name = absl::StrCat("value ", key)};
  return model;
}

std::shared_ptr<const WeightFile> OpenModel(const DeltaModel& model) {
  WeightFileOptions options = SampleOptions(model.quantization);
  options.k = model.k;
  options.field_matrix = model.field_matrix;
  options.with_names = model.with_names;
  options.training_rows = model.training_rows;
  WeightWriter writer(options);
  std::vector<float> v(model.k);
  for (const auto& [key, row] : model.rows) {
    for (uint32_t f = 0; f < model.k; ++f) v[f] = Weight(key, row.seed, f + 1);
    Check(writer.AddRow({.key = key,
                         .field = 0,
                         .value = row.name,
                         .w = Weight(key, row.seed, 0),
                         .v = v,
                         .count = row.count}));
  }
  writer.SetMetadata({{"note", model.note}});
  const std::string path = TemporaryPath(".fmw");
  Check(writer.Finish(path));
  auto file = WeightFile::Open(path);
  Check(file.status());
  unlink(path.c_str());  // the mapping stays
  return *file;
}

absl::StatusOr<AlignedBytes> MakeDelta(const WeightFile& base, const WeightFile& result,
                                       DeltaCounts* counts) {
  const std::string path = TemporaryPath(".fmd");
  const absl::StatusOr<DeltaCounts> written =
      WriteDelta(base, Sha256Bytes{1}, result, Sha256Bytes{2}, path, NeverStop);
  if (!written.ok()) return written.status();
  if (counts != nullptr) *counts = *written;
  AlignedBytes bytes = ReadFileBytes(path);
  unlink(path.c_str());
  return bytes;
}

absl::StatusOr<std::string> ApplyDelta(std::span<const std::byte> delta, const WeightFile& base,
                                       uint64_t max_bytes) {
  const absl::StatusOr<DeltaFile> file = DeltaFile::FromBytes(delta, NeverStop);
  if (!file.ok()) return file.status();
  std::string result;
  const absl::Status applied = file->Apply(
      base, max_bytes,
      [&](std::span<const std::byte> bytes) {
        result.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return absl::OkStatus();
      },
      NeverStop);
  if (!applied.ok()) return applied;
  return result;
}

}  // namespace fmserve::model
