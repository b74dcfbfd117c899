#include "model/weight_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/atomic_file.h"
#include "model/catalogue_header.h"
#include "model/file_header.h"
#include "model/quantization.h"
#include "model/row_layout.h"
#include "model/section_writer.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::SectionType;

constexpr uint64_t kRowsPerBlock = uint64_t{1} << 14;
constexpr uint32_t kNoRow = 0xffffffff;

std::vector<uint32_t> RowsBySlot(const DictionaryPlan& plan) {
  std::vector<uint32_t> row_of_slot(plan.slots_count, kNoRow);
  for (size_t i = 0; i < plan.slots.size(); ++i)
    row_of_slot[plan.slots[i]] = static_cast<uint32_t>(i);
  return row_of_slot;
}

absl::Status Refused(const char* what, const absl::Status& why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why.message()));
}

void Write(SectionType type, uint32_t flags, std::span<const std::byte> bytes, SectionWriter& out) {
  out.Write(static_cast<uint32_t>(type), flags, bytes);
}

}  // namespace

WeightWriter::WeightWriter(WeightFileOptions options)
    : options_(std::move(options)),
      stride_bytes_(RowStrideBytes(options_.quantization, options_.k)) {}

std::byte* WeightWriter::row(uint64_t index) const {
  return row_blocks_[index / kRowsPerBlock].get() + index % kRowsPerBlock * stride_bytes_;
}

absl::Status WeightWriter::AddRow(const WriterRow& row) {
  const uint64_t index = keys_.size();
  if (row.v.size() != options_.k) {
    return absl::InvalidArgumentError(
        absl::StrCat("row ", index, ": ", row.v.size(), " values, the model has k = ", options_.k));
  }
  if (row.field >= options_.schema.size()) {
    return absl::InvalidArgumentError(absl::StrCat("row ", index, ": field ", row.field,
                                                   " of a schema of ", options_.schema.size(),
                                                   " fields"));
  }
  if (index == row_blocks_.size() * kRowsPerBlock) {
    row_blocks_.push_back(
        std::make_unique_for_overwrite<std::byte[]>(kRowsPerBlock * stride_bytes_));
  }
  absl::Status status =
      EncodeRow(options_.quantization, row.key, row.w, row.v, {this->row(index), stride_bytes_});
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("row ", index, " (field '", options_.schema.field(row.field).name, "', value ",
                     Quote(row.value), "): ", status.message()));
  }
  keys_.push_back(row.key);
  if (options_.training_rows) {
    constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
    counts_.push_back(static_cast<uint32_t>(std::min(row.count, kMost)));
  }
  if (options_.with_names) {
    name_text_.push_back(static_cast<char>(row.field));
    name_text_.append(row.value);
    name_ends_.push_back(name_text_.size());
  }
  return absl::OkStatus();
}

void WeightWriter::AddGolden(Golden golden) { goldens_.push_back(std::move(golden)); }

void WeightWriter::SetMetadata(Metadata metadata) { metadata_ = std::move(metadata); }

FileHeader WeightWriter::MakeHeader(const DictionaryPlan& plan) const {
  FileHeader header = {};
  header.version = options_.version;
  header.created_unix_us = options_.created_unix_us;
  SetModelName(options_.model_name, header.model_name);
  header.task = static_cast<uint8_t>(options_.task);
  header.quantization = static_cast<uint8_t>(options_.quantization);
  header.link = static_cast<uint8_t>(options_.link);
  header.calibration_kind = static_cast<uint8_t>(options_.calibration.kind);
  header.k = options_.k;
  header.rows_count = keys_.size();
  header.slots_count = plan.slots_count;
  header.row_stride_bytes = stride_bytes_;
  header.dictionary_seed = plan.seed;
  header.w0 = options_.w0;
  header.calibration_scale = options_.calibration.scale;
  header.calibration_offset = options_.calibration.offset;
  return header;
}

void WeightWriter::WriteRows(std::span<const uint32_t> row_of_slot, SectionWriter& out) const {
  constexpr size_t kAhead = 16;  // rows in slot order are all over memory
  const std::vector<std::byte> empty(stride_bytes_);
  out.Begin(static_cast<uint32_t>(SectionType::kRows), format::kSectionRequired);
  for (size_t slot = 0; slot < row_of_slot.size(); ++slot) {
    if (slot + kAhead < row_of_slot.size() && row_of_slot[slot + kAhead] != kNoRow) {
      __builtin_prefetch(row(row_of_slot[slot + kAhead]));
    }
    const uint32_t index = row_of_slot[slot];
    out.Append({index == kNoRow ? empty.data() : row(index), stride_bytes_});
  }
  out.End();
}

void WeightWriter::WriteNames(std::span<const uint32_t> row_of_slot, SectionWriter& out) const {
  const auto record = [&](uint32_t index) {
    if (index == kNoRow) return std::string_view();
    const uint64_t begin = index == 0 ? 0 : name_ends_[index - 1];
    return std::string_view(name_text_).substr(begin, name_ends_[index] - begin);
  };
  out.Begin(static_cast<uint32_t>(SectionType::kNames), 0);
  uint64_t end = 0;
  for (const uint32_t index : row_of_slot) {
    end += record(index).size();
    out.Append(std::as_bytes(std::span(&end, 1)));
  }
  for (const uint32_t index : row_of_slot) out.Append(record(index));
  out.End();
}

void WeightWriter::WriteCounts(std::span<const uint32_t> row_of_slot, SectionWriter& out) const {
  out.Begin(static_cast<uint32_t>(SectionType::kCounts), 0);
  out.Append(std::as_bytes(std::span(&*options_.training_rows, 1)));
  for (const uint32_t index : row_of_slot) {
    const uint32_t count = index == kNoRow ? 0 : counts_[index];
    out.Append(std::as_bytes(std::span(&count, 1)));
  }
  out.End();
}

absl::Status WeightWriter::CheckFileBytes(
    const DictionaryPlan& plan, std::initializer_list<uint64_t> small_sections_bytes) const {
  std::vector<uint64_t> sizes = small_sections_bytes;
  sizes.push_back(plan.pilots.size() * sizeof(uint16_t));
  sizes.push_back(plan.slots_count * stride_bytes_);
  if (options_.training_rows)
    sizes.push_back(sizeof(uint64_t) + plan.slots_count * sizeof(uint32_t));
  if (options_.with_names) sizes.push_back(plan.slots_count * sizeof(uint64_t) + name_text_.size());
  uint64_t end = TableEnd(sections_count());
  for (const uint64_t size : sizes) end = AlignedEnd(end) + size;
  if (end <= options_.max_file_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the file of ", keys_.size(), " rows would have ", end,
                   " bytes, more than the limit of ", options_.max_file_bytes));
}

absl::Status WeightWriter::Finish(const std::string& path) {
  absl::Status name_status = CheckModelName(options_.model_name);
  if (!name_status.ok()) return name_status;
  absl::StatusOr<DictionaryPlan> plan = PlanDictionary(keys_);
  if (!plan.ok()) return plan.status();
  const FileHeader header = MakeHeader(*plan);
  if (absl::Status status = CheckHeaderFields(header); !status.ok()) return status;

  // What is written must be readable, so the readers are asked before anything is written.
  const std::string schema = options_.schema.Serialize();
  const std::string goldens = SerializeGoldens(goldens_);
  const std::string metadata = SerializeMetadata(metadata_);
  if (auto parsed = FeatureSchema::Parse(schema); !parsed.ok())
    return Refused("schema", parsed.status());
  if (auto parsed = ParseMetadata(metadata); !parsed.ok())
    return Refused("metadata", parsed.status());
  if (auto parsed = ParseGoldens(goldens); !parsed.ok()) return Refused("goldens", parsed.status());
  if (absl::Status status = CheckCells(goldens_, options_.schema.size()); !status.ok()) {
    return Refused("goldens", status);
  }

  const std::optional<FieldMatrix>& field_matrix = options_.field_matrix;
  std::string matrix;
  if (field_matrix) {
    absl::Status status = CheckFieldMatrix(*field_matrix, options_.schema.size(), options_.k);
    if (!status.ok()) return Refused("field matrix", status);
    matrix = SerializeFieldMatrix(*field_matrix);
  }

  if (absl::Status status =
          CheckFileBytes(*plan, {schema.size(), metadata.size(), goldens.size(), matrix.size()});
      !status.ok()) {
    return status;
  }

  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  SectionWriter out(*file, sections_count());
  Write(SectionType::kSchema, format::kSectionRequired, std::as_bytes(std::span(schema)), out);
  Write(SectionType::kMetadata, 0, std::as_bytes(std::span(metadata)), out);
  Write(SectionType::kGoldens, 0, std::as_bytes(std::span(goldens)), out);
  if (field_matrix) {
    Write(SectionType::kFieldMatrix, format::kSectionRequired, std::as_bytes(std::span(matrix)),
          out);
  }
  Write(SectionType::kDictionary, format::kSectionRequired, std::as_bytes(std::span(plan->pilots)),
        out);
  const std::vector<uint32_t> row_of_slot = RowsBySlot(*plan);
  WriteRows(row_of_slot, out);
  if (options_.training_rows) WriteCounts(row_of_slot, out);
  if (options_.with_names) WriteNames(row_of_slot, out);
  if (absl::Status status = out.Finish(kWeightFileKind, std::bit_cast<FileEnvelope>(header));
      !status.ok())
    return status;
  return file->Commit();
}

absl::Status StampHeader(std::span<std::byte> image, std::string_view model_name,
                         uint64_t version) {
  const bool is_catalogue =
      CheckEnvelope(image, kCatalogueKind).code() != absl::StatusCode::kInvalidArgument;
  const absl::Status readable =
      is_catalogue ? ReadCatalogueHeader(image).status() : ReadHeader(image).status();
  if (!readable.ok()) return Refused("cannot stamp", readable);
  if (absl::Status status = CheckModelName(model_name); !status.ok()) return status;
  FileEnvelope header;
  std::memcpy(&header, image.data(), sizeof(header));
  SetModelName(model_name, header.model_name);
  header.version = version;
  std::memcpy(image.data(), &header, sizeof(header));
  const Checksum checksum = HeaderChecksum(image, header.sections_count);
  std::memcpy(image.data() + offsetof(FileEnvelope, header_checksum), checksum.data(),
              checksum.size());
  return absl::OkStatus();
}

}  // namespace fmserve::model
