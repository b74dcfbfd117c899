// Builds a weight file and finalizes it atomically.
#ifndef FMSERVE_MODEL_WEIGHT_WRITER_H_
#define FMSERVE_MODEL_WEIGHT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "model/dictionary.h"
#include "model/feature_schema.h"
#include "model/field_matrix.h"
#include "model/golden.h"
#include "model/types.h"
#include "model/weight_format.h"

namespace fmserve::model {

class SectionWriter;

struct WeightFileOptions {
  std::string model_name;  // 1 to 63 bytes of [A-Za-z0-9_.-], no dot first
  uint64_t version = 0;
  uint64_t created_unix_us = 0;
  Task task = Task::kBinary;
  Quantization quantization = Quantization::kF32;
  Link link = Link::kSigmoid;
  Calibration calibration;
  uint32_t k = 16;
  double w0 = 0.0;
  FeatureSchema schema;
  std::optional<FieldMatrix> field_matrix = {};  // set: the model is field-weighted
  bool with_names = true;                      // store field and value of each feature, for people
  std::optional<uint64_t> training_rows = {};  // set: store it and the count of each row
  uint64_t max_file_bytes = std::numeric_limits<uint64_t>::max();  // a larger file is not written
};

struct WriterRow {
  uint64_t key = 0;
  uint8_t field = 0;
  std::string_view value;  // for people; may be empty
  float w = 0.0F;
  std::span<const float> v;  // k values
  uint64_t count = 0;        // training rows that have the feature; kept up to 2^32 - 1
};

// One thread. Rows are held encoded, once; the file is written straight from them.
class WeightWriter {
 public:
  explicit WeightWriter(WeightFileOptions options);

  // InvalidArgument: key 0, wrong number of values, not finite, out of the range of f16, a field
  // that the schema does not have. Duplicate keys show in Finish.
  absl::Status AddRow(const WriterRow& row);
  void AddGolden(Golden golden);
  void SetMetadata(Metadata metadata);

  // Builds the dictionary, writes a temporary file beside `path`, fsyncs it, renames it to `path`
  // and fsyncs the directory. On any failure nothing is left behind and `path` is as it was. At
  // most once. InvalidArgument: options, goldens or metadata that a reader would refuse, duplicate
  // keys. ResourceExhausted, before anything is written: more than max_file_bytes.
  absl::Status Finish(const std::string& path);

 private:
  // Row `index`, encoded: rows lie in blocks, so that none is ever copied to make room for more.
  std::byte* row(uint64_t index) const;

  format::FileHeader MakeHeader(const DictionaryPlan& plan) const;
  void WriteRows(std::span<const uint32_t> row_of_slot, SectionWriter& out) const;
  void WriteNames(std::span<const uint32_t> row_of_slot, SectionWriter& out) const;
  void WriteCounts(std::span<const uint32_t> row_of_slot, SectionWriter& out) const;
  // Given the sizes of the small sections.
  absl::Status CheckFileBytes(const DictionaryPlan& plan,
                              std::initializer_list<uint64_t> small_sections_bytes) const;
  uint32_t sections_count() const {
    return 5 + (options_.field_matrix ? 1 : 0) + (options_.training_rows ? 1 : 0) +
           (options_.with_names ? 1 : 0);
  }

  WeightFileOptions options_;
  uint32_t stride_bytes_ = 0;
  std::vector<uint64_t> keys_;
  std::vector<std::unique_ptr<std::byte[]>> row_blocks_;
  std::vector<uint64_t> name_ends_;  // into name_text_, one per row; none without names
  std::string name_text_;            // records of the names section, in the order of the rows
  std::vector<uint32_t> counts_;     // one per row; none without training_rows
  std::vector<Golden> goldens_;
  Metadata metadata_;
};

// Gives a weight file or a catalogue another model name and version: what publishing does to its
// copy. Nothing else changes, but for the checksum of the header. `image` is the beginning of the
// file, at least header and section table, and is changed in place. InvalidArgument when it is not
// that, is damaged, or the name does not fit; `image` is then as it was.
absl::Status StampHeader(std::span<std::byte> image, std::string_view model_name, uint64_t version);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_WEIGHT_WRITER_H_
