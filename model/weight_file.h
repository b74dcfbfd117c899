// Bytes -> validated typed views. The only code that reads a weight file, and it trusts nothing.
#ifndef FMSERVE_MODEL_WEIGHT_FILE_H_
#define FMSERVE_MODEL_WEIGHT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/dictionary.h"
#include "model/feature_schema.h"
#include "model/field_matrix.h"
#include "model/golden.h"
#include "model/mapped_file.h"
#include "model/name_table.h"
#include "model/row_layout.h"
#include "model/types.h"

namespace fmserve::model {

// What the header says.
struct WeightInfo {
  uint16_t format_major = 0;
  uint16_t format_minor = 0;
  std::string model_name;
  uint64_t version = 0;  // 0: not published yet
  uint64_t created_unix_us = 0;
  uint64_t file_size = 0;
  Task task = Task::kBinary;
  Quantization quantization = Quantization::kF32;
  Link link = Link::kSigmoid;
  Calibration calibration;
  uint32_t k = 0;
  uint64_t rows_count = 0;
  uint64_t slots_count = 0;
  double w0 = 0.0;
};

struct SectionInfo {
  uint32_t type = 0;
  bool required = false;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// What the model was trained on. `of_slots` is in the order of the rows; the count of an empty slot
// means nothing.
struct TrainingCounts {
  uint64_t rows = 0;
  std::span<const uint32_t> of_slots;  // training rows that have the feature; saturates
};

// Immutable; every view lives as long as the file. Safe from any thread.
class WeightFile {
 public:
  // Validates everything before it returns: header, section table, alignment, overlaps, bounds,
  // counts against sizes, checksums, schema, field matrix, that each key lies in the slot where its
  // lookup ends, finite values, goldens, metadata. DataLoss, InvalidArgument (not a weight file) or
  // Unimplemented (another major version, an unknown required section), or what MappedFile::Open
  // says; the message names the path, the section, the offset and what is wrong.
  // `checkpoint` is called every kCheckpointBytes or so; its errors are returned.
  static absl::StatusOr<std::shared_ptr<const WeightFile>> Open(const std::string& path,
                                                                Checkpoint checkpoint = NeverStop);

  // The same over bytes that the caller keeps alive and unchanged; `bytes` must be 64-byte aligned.
  static absl::StatusOr<std::shared_ptr<const WeightFile>> FromBytes(
      std::span<const std::byte> bytes);

  const WeightInfo& info() const { return info_; }
  const FeatureSchema& schema() const { return schema_; }
  const Dictionary& dictionary() const { return dictionary_; }
  const RowsView& rows() const { return rows_; }

  // Of a field-weighted model; nothing for a plain factorization machine.
  const std::optional<FieldMatrix>& field_matrix() const { return field_matrix_; }

  // Factors of a folded item and of a context, at most kMaxK: k, in a field-weighted model as many
  // for each rank of its matrix. Rows have k.
  uint32_t folded_k() const { return field_matrix_ ? field_matrix_->rank * info_.k : info_.k; }

  const std::vector<Golden>& goldens() const { return goldens_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<SectionInfo>& sections() const { return sections_; }

  // Nothing when the file does not say.
  const std::optional<TrainingCounts>& counts() const { return counts_; }

  // Of the whole file, and of a section as sections() describes it.
  std::span<const std::byte> bytes() const { return bytes_; }
  std::span<const std::byte> bytes(const SectionInfo& section) const {
    return bytes_.subspan(section.offset, section.size);
  }

  // Field and value of the row in `slot`; nothing when the file carries no names or the slot is
  // empty.
  std::optional<FeatureName> name(uint32_t slot) const;

  // MappedFile::ReleasePages; does nothing for FromBytes.
  absl::Status ReleasePages(Checkpoint checkpoint) const {
    return mapping_ ? mapping_->ReleasePages(checkpoint) : absl::OkStatus();
  }

  // How much of the file lies on 2 MB pages (MappedFile::HugePageBytes); 0 for FromBytes.
  uint64_t HugePageBytes() const { return mapping_ ? mapping_->HugePageBytes() : 0; }

  // The sections that scoring reads (dictionary and rows): what to warm.
  std::vector<std::span<const std::byte>> serving_bytes() const;

 private:
  WeightFile() = default;
  friend class WeightFileParser;

  std::optional<MappedFile> mapping_;
  std::span<const std::byte> bytes_;
  std::span<const std::byte> dictionary_bytes_;
  std::span<const std::byte> rows_bytes_;
  WeightInfo info_;
  FeatureSchema schema_;
  Dictionary dictionary_;
  RowsView rows_;
  std::optional<FieldMatrix> field_matrix_;
  std::vector<Golden> goldens_;
  Metadata metadata_;
  NameTable names_;
  std::optional<TrainingCounts> counts_;
  std::vector<SectionInfo> sections_;
};

// What a published score goes through after the sum of the model: calibration, then link.
// Probability for kSigmoid.
double Predict(const WeightInfo& info, double score);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_WEIGHT_FILE_H_
