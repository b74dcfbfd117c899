#include "model/weight_file.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/file_header.h"
#include "model/row_check.h"
#include "model/section_table.h"
#include "model/weight_format.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::SectionType;

WeightInfo InfoOf(const FileHeader& header) {
  return {.format_major = header.format_major,
          .format_minor = header.format_minor,
          .model_name = header.model_name,
          .version = header.version,
          .created_unix_us = header.created_unix_us,
          .file_size = header.file_size,
          .task = Task{header.task},
          .quantization = Quantization{header.quantization},
          .link = Link{header.link},
          .calibration = {.kind = CalibrationKind{header.calibration_kind},
                          .scale = header.calibration_scale,
                          .offset = header.calibration_offset},
          .k = header.k,
          .rows_count = header.rows_count,
          .slots_count = header.slots_count,
          .w0 = header.w0};
}

absl::Status WithPath(const std::string& path, const absl::Status& status) {
  return {status.code(), absl::StrCat(path, ": ", status.message())};
}

}  // namespace

// Fills a WeightFile section by section, each checked before the next relies on it.
class WeightFileParser {
 public:
  WeightFileParser(WeightFile& out, Checkpoint checkpoint) : out_(out), checkpoint_(checkpoint) {}

  absl::Status Parse(std::span<const std::byte> bytes) {
    absl::StatusOr<FileHeader> header = ReadHeader(bytes);
    if (!header.ok()) return header.status();
    if (absl::Status status = CheckFileSize(header->file_size, bytes.size()); !status.ok())
      return status;
    absl::StatusOr<std::vector<Section>> sections =
        ReadSections(bytes, kWeightFileKind, checkpoint_);
    if (!sections.ok()) return sections.status();
    header_ = *header;
    out_.bytes_ = bytes;
    sections_ = *std::move(sections);
    out_.info_ = InfoOf(header_);
    for (const Section& section : sections_) {
      out_.sections_.push_back(
          {section.type, section.required, section.offset, section.bytes.size()});
    }
    for (const auto parse :
         {&WeightFileParser::ParseSchema, &WeightFileParser::ParseMatrix,
          &WeightFileParser::ParseDictionaryAndRows, &WeightFileParser::ParseNames,
          &WeightFileParser::ParseCounts, &WeightFileParser::ParseGoldenRequests,
          &WeightFileParser::ParseDescription}) {
      if (absl::Status status = (this->*parse)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  const Section* Find(SectionType type) const {
    return FindSection(sections_, static_cast<uint32_t>(type));
  }

  static absl::Status Missing(SectionType type) {
    return absl::DataLossError(
        absl::StrCat("section ", SectionName(static_cast<uint32_t>(type)), " is missing"));
  }

  static absl::Status Damaged(const Section& section, const absl::Status& why) {
    return section.Damaged(0, std::string(why.message()));
  }

  absl::Status ParseSchema() {
    const Section* const section = Find(SectionType::kSchema);
    if (section == nullptr) return Missing(SectionType::kSchema);
    absl::StatusOr<FeatureSchema> schema = FeatureSchema::Parse(section->text());
    if (!schema.ok()) return Damaged(*section, schema.status());
    out_.schema_ = *std::move(schema);
    return absl::OkStatus();
  }

  absl::Status ParseMatrix() {
    const Section* const section = Find(SectionType::kFieldMatrix);
    if (section == nullptr) return absl::OkStatus();
    if (!section->required) {
      return section->Damaged(
          0, "it is not flagged as required, and who skips it computes other scores");
    }
    absl::StatusOr<FieldMatrix> matrix =
        ParseFieldMatrix(section->text(), out_.schema_.size(), header_.k);
    if (!matrix.ok()) return Damaged(*section, matrix.status());
    out_.field_matrix_ = *std::move(matrix);
    return absl::OkStatus();
  }

  absl::Status ParseDictionaryAndRows() {
    const Section* const pilots = Find(SectionType::kDictionary);
    const Section* const rows = Find(SectionType::kRows);
    if (pilots == nullptr) return Missing(SectionType::kDictionary);
    if (rows == nullptr) return Missing(SectionType::kRows);
    if (pilots->bytes.empty() || pilots->bytes.size() % sizeof(uint16_t) != 0) {
      return pilots->Damaged(
          0, absl::StrCat(pilots->bytes.size(), " bytes are no whole number of pilots"));
    }
    // Below 2^32 slots of at most 1088 bytes: no overflow.
    const uint64_t rows_bytes = header_.slots_count * header_.row_stride_bytes;
    if (rows->bytes.size() != rows_bytes) {
      return rows->Damaged(
          0, absl::StrCat(rows->bytes.size(), " bytes, but ", header_.slots_count, " slots of ",
                          header_.row_stride_bytes, " take ", rows_bytes));
    }
    out_.dictionary_bytes_ = pilots->bytes;
    out_.rows_bytes_ = rows->bytes;
    out_.rows_ = {.bytes = rows->bytes.data(),
                  .slots_count = header_.slots_count,
                  .stride_bytes = header_.row_stride_bytes,
                  .k = header_.k,
                  .quantization = Quantization{header_.quantization}};
    // Sections are 64-byte aligned in memory that is: FromBytes.
    out_.dictionary_ = Dictionary(header_.dictionary_seed,
                                  {reinterpret_cast<const uint16_t*>(pilots->bytes.data()),
                                   pilots->bytes.size() / sizeof(uint16_t)},
                                  out_.rows_);
    return CheckRows(*rows, out_.rows_, out_.dictionary_, header_.rows_count, checkpoint_);
  }

  absl::Status ParseNames() {
    const Section* const section = Find(SectionType::kNames);
    if (section == nullptr) return absl::OkStatus();
    out_.names_ = NameTable(section->bytes, header_.slots_count);
    absl::Status status = out_.names_.Check(out_.rows_, out_.schema_.size(), checkpoint_);
    return absl::IsDataLoss(status) ? Damaged(*section, status) : status;
  }

  absl::Status ParseCounts() {
    const Section* const section = Find(SectionType::kCounts);
    if (section == nullptr) return absl::OkStatus();
    TrainingCounts counts;
    const uint64_t expected = sizeof(counts.rows) + header_.slots_count * sizeof(uint32_t);
    if (section->bytes.size() != expected) {
      return section->Damaged(0, absl::StrCat(section->bytes.size(), " bytes, but ",
                                              header_.slots_count, " slots take ", expected));
    }
    std::memcpy(&counts.rows, section->bytes.data(), sizeof(counts.rows));
    const std::byte* const of_slots = section->bytes.data() + sizeof(counts.rows);
    counts.of_slots = {reinterpret_cast<const uint32_t*>(of_slots), header_.slots_count};
    out_.counts_ = counts;
    return absl::OkStatus();
  }

  absl::Status ParseGoldenRequests() {
    const Section* const section = Find(SectionType::kGoldens);
    if (section == nullptr) return absl::OkStatus();
    absl::StatusOr<std::vector<Golden>> goldens = ParseGoldens(section->text());
    if (!goldens.ok()) return Damaged(*section, goldens.status());
    out_.goldens_ = *std::move(goldens);
    absl::Status status = CheckCells(out_.goldens_, out_.schema_.size());
    return status.ok() ? status : Damaged(*section, status);
  }

  absl::Status ParseDescription() {
    const Section* const section = Find(SectionType::kMetadata);
    if (section == nullptr) return absl::OkStatus();
    absl::StatusOr<Metadata> metadata = ParseMetadata(section->text());
    if (!metadata.ok()) return Damaged(*section, metadata.status());
    out_.metadata_ = *std::move(metadata);
    return absl::OkStatus();
  }

  WeightFile& out_;
  const Checkpoint checkpoint_;
  FileHeader header_ = {};
  std::vector<Section> sections_;
};

absl::StatusOr<std::shared_ptr<const WeightFile>> WeightFile::Open(const std::string& path,
                                                                   Checkpoint checkpoint) {
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(path);
  if (!mapping.ok()) return mapping.status();
  std::shared_ptr<WeightFile> file(new WeightFile);
  file->mapping_ = *std::move(mapping);
  const absl::Status status = WeightFileParser(*file, checkpoint).Parse(file->mapping_->bytes());
  if (!status.ok()) return WithPath(path, status);
  return file;
}

absl::StatusOr<std::shared_ptr<const WeightFile>> WeightFile::FromBytes(
    std::span<const std::byte> bytes) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % format::kSectionAlignment != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the bytes of a weight file must be ",
                                                   format::kSectionAlignment, "-byte aligned"));
  }
  std::shared_ptr<WeightFile> file(new WeightFile);
  if (absl::Status status = WeightFileParser(*file, NeverStop).Parse(bytes); !status.ok())
    return status;
  return file;
}

std::optional<FeatureName> WeightFile::name(uint32_t slot) const { return names_.at(slot); }

std::vector<std::span<const std::byte>> WeightFile::serving_bytes() const {
  return {dictionary_bytes_, rows_bytes_};
}

double Predict(const WeightInfo& info, double score) {
  const double calibrated = info.calibration.scale * score + info.calibration.offset;
  if (info.link == Link::kIdentity) return calibrated;
  // exp of what is not positive: never overflows.
  const double e = std::exp(-std::abs(calibrated));
  return calibrated >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

}  // namespace fmserve::model
