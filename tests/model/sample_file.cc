#include "tests/model/sample_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "model/feature_encoder.h"
#include "model/file_header.h"
#include "model/mapped_file.h"
#include "model/scorer.h"

namespace fmserve::model {
namespace {

struct SampleRow {
  uint64_t key;
  uint8_t field;
  const char* value;
  float w;
  float v[3];
};

std::vector<SampleRow> SampleRows(const FeatureSchema& schema) {
  return {
      {ValueKey(schema.seed(0), "ann"), 0, "ann", 0.25F, {0.5F, -0.25F, 0.125F}},
      {ValueKey(schema.seed(0), "bob"), 0, "bob", -0.5F, {-0.75F, 0.375F, 1.0F}},
      {schema.rare_key(0), 0, "(rare)", 0.0625F, {0.03F, 0.02F, -0.01F}},
      {NumericKey(schema.seed(1), 1), 1, "bucket 1", 0.1F, {0.2F, 0.3F, -0.4F}},
      {ValueKey(schema.seed(2), int64_t{7}), 2, "7", 0.75F, {1.5F, -0.5F, 0.25F}},
      {ValueKey(schema.seed(2), int64_t{9}), 2, "9", -1.0F, {0.7F, 0.9F, -1.1F}},
      {ValueKey(schema.seed(3), "sport"), 3, "sport", 0.4F, {-0.6F, 0.8F, 0.1F}},
      {schema.missing_key(3), 3, "(missing)", -0.2F, {0.05F, 0.0F, 0.15F}},
  };
}

void MustBeOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

absl::Status WriteWithGoldens(const WeightFileOptions& options, std::vector<Golden> goldens,
                              const std::string& path) {
  WeightWriter writer(options);
  for (const SampleRow& row : SampleRows(options.schema)) {
    MustBeOk(writer.AddRow(
        {.key = row.key, .field = row.field, .value = row.value, .w = row.w, .v = row.v}));
  }
  for (Golden& golden : goldens) writer.AddGolden(std::move(golden));
  writer.SetMetadata({{"data.train.rows", "1000"}, {"option.k", "3"}});
  return writer.Finish(path);
}

// A row of a table as context and candidate.
struct EncodedRow {
  FeatureList context;
  FeatureList candidate;
};

absl::StatusOr<EncodedRow> Encode(const FeatureSchema& schema,
                                  const std::vector<std::string>& cells) {
  const std::vector<std::string_view> views(cells.begin(), cells.end());
  EncodedRow row;
  if (absl::Status status = FeatureEncoder(schema, &row.context).AddRow(Side::kContext, views);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = FeatureEncoder(schema, &row.candidate).AddRow(Side::kItem, views);
      !status.ok()) {
    return status;
  }
  return row;
}

}  // namespace

AlignedBytes::AlignedBytes(std::span<const std::byte> bytes)
    : data_(static_cast<std::byte*>(::operator new[](bytes.size(), std::align_val_t{64}))),
      size_(bytes.size()) {
  std::copy(bytes.begin(), bytes.end(), data_.get());
}

AlignedBytes ReadFileBytes(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  MustBeOk(file.status());
  return AlignedBytes(file->bytes());
}

FeatureSchema SampleSchema() {
  std::vector<Field> fields(4);
  fields[0].name = "user";
  fields[0].min_count = 2;
  fields[1].name = "age";
  fields[1].kind = FieldKind::kNumeric;
  fields[1].transform = Transform::kBoundaries;
  fields[1].boundaries = {18.0F, 40.0F};
  fields[2].name = "ad";
  fields[2].value_type = ValueType::kInteger;
  fields[2].side = Side::kItem;
  fields[3].name = "tags";
  fields[3].kind = FieldKind::kMultiValued;
  fields[3].weighted = true;
  fields[3].combiner = Combiner::kMean;
  fields[3].side = Side::kItem;
  absl::StatusOr<FeatureSchema> schema = FeatureSchema::Create(std::move(fields));
  MustBeOk(schema.status());
  return *std::move(schema);
}

WeightFileOptions SampleOptions(Quantization quantization, SampleKind kind) {
  WeightFileOptions options;
  options.model_name = "ctr";
  options.version = 7;
  options.created_unix_us = 1'795'000'000'000'000;
  options.quantization = quantization;
  options.calibration = {.kind = CalibrationKind::kPlatt, .scale = 0.9, .offset = -0.125};
  options.k = 3;
  options.w0 = -0.5;
  options.schema = SampleSchema();
  if (kind == SampleKind::kFieldWeighted) {
    options.field_matrix = FieldMatrix{
        .rank = 2,
        .scales = {1.5F, -0.5F},
        .factors = {1.0F, 0.25F, 0.5F, -0.75F, -1.25F, 0.5F, 0.75F, 1.0F},
    };
  }
  return options;
}

absl::Status WriteSampleFile(Quantization quantization, const std::string& path, SampleKind kind) {
  const WeightFileOptions options = SampleOptions(quantization, kind);
  // The scores of goldens are those of the rows as stored: write once to have such rows.
  if (absl::Status status = WriteWithGoldens(options, {}, path); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<const WeightFile>> file = WeightFile::Open(path);
  if (!file.ok()) return file.status();
  std::vector<Golden> goldens = {{.cells = {"ann", "30", "7", "sport:2|opera:1"}, .score = 0.0},
                                 {.cells = {"eve", "", "9", ""}, .score = 0.0}};
  for (Golden& golden : goldens) {
    absl::StatusOr<double> score = ExplainCells(**file, golden.cells);
    if (!score.ok()) return score.status();
    golden.score = *score;
  }
  return WriteWithGoldens(options, std::move(goldens), path);
}

AlignedBytes SampleBytes(Quantization quantization, SampleKind kind) {
  const std::string path = absl::StrCat(std::filesystem::temp_directory_path().string(),
                                        "/fmserve_sample_", getpid(), ".fmw");
  MustBeOk(WriteSampleFile(quantization, path, kind));
  AlignedBytes bytes = ReadFileBytes(path);
  std::filesystem::remove(path);
  return bytes;
}

absl::StatusOr<float> ScoreCells(const WeightFile& file, const std::vector<std::string>& cells) {
  absl::StatusOr<EncodedRow> row = Encode(file.schema(), cells);
  if (!row.ok()) return row.status();
  absl::StatusOr<const KernelTable*> kernels = DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  const Scorer scorer(file, **kernels);
  const auto scratch = std::make_unique<Scratch>();
  scorer.ScoreContext(row->context.view(), *scratch);
  const uint32_t length = static_cast<uint32_t>(row->candidate.size());
  float score = 0.0F;
  scorer.ScoreCandidates(row->candidate.view(), {&length, 1}, *scratch, {&score, 1});
  return score;
}

absl::StatusOr<double> ExplainCells(const WeightFile& file, const std::vector<std::string>& cells) {
  absl::StatusOr<EncodedRow> row = Encode(file.schema(), cells);
  if (!row.ok()) return row.status();
  absl::StatusOr<const KernelTable*> kernels = DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  return Scorer(file, **kernels).Explain(row->context.view(), row->candidate.view()).score;
}

void FixChecksums(std::span<std::byte> file) {
  FileEnvelope header;
  if (file.size() < sizeof(header)) return;
  std::memcpy(&header, file.data(), sizeof(header));
  if (TableEnd(header.sections_count) > file.size()) return;
  for (uint32_t i = 0; i < header.sections_count; ++i) {
    std::byte* const at = file.data() + sizeof(header) + i * sizeof(format::SectionEntry);
    format::SectionEntry entry;
    std::memcpy(&entry, at, sizeof(entry));
    if (entry.offset > file.size() || entry.size > file.size() - entry.offset) continue;
    const Checksum checksum = ChecksumOf(file.subspan(entry.offset, entry.size));
    std::memcpy(at + offsetof(format::SectionEntry, checksum), checksum.data(), checksum.size());
  }
  const Checksum checksum = HeaderChecksum(file, header.sections_count);
  std::memcpy(file.data() + offsetof(FileEnvelope, header_checksum), checksum.data(),
              checksum.size());
}

}  // namespace fmserve::model
