// A small weight file with every section, for tests that open, damage or score one.
#ifndef FMSERVE_TESTS_MODEL_SAMPLE_FILE_H_
#define FMSERVE_TESTS_MODEL_SAMPLE_FILE_H_

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "model/types.h"
#include "model/weight_file.h"
#include "model/weight_format.h"
#include "model/weight_writer.h"

namespace fmserve::model {

// Bytes at a 64-byte boundary that end where their allocation ends, so that the address sanitizer
// sees a read beyond.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::span<const std::byte> bytes);
  AlignedBytes(const AlignedBytes& other) : AlignedBytes(other.span()) {}
  AlignedBytes(AlignedBytes&&) = default;
  AlignedBytes& operator=(AlignedBytes&&) = default;

  std::span<std::byte> span() { return {data_.get(), size_}; }
  std::span<const std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t size_;
};

AlignedBytes ReadFileBytes(const std::string& path);

// Fields user (string), age (numeric, in buckets), ad (integer, of the item) and tags (weighted
// list, of the item).
FeatureSchema SampleSchema();

enum class SampleKind : uint8_t { kPlain, kFieldWeighted };

// Named "ctr", version 7, k = 3, Platt calibration; the field matrix has rank 2.
WeightFileOptions SampleOptions(Quantization quantization, SampleKind kind = SampleKind::kPlain);

// Eight rows, two goldens with the scores of the rows as stored, metadata and names, at `path`.
absl::Status WriteSampleFile(Quantization quantization, const std::string& path,
                             SampleKind kind = SampleKind::kPlain);

// The same as bytes; the file goes to the temporary directory and away again.
AlignedBytes SampleBytes(Quantization quantization, SampleKind kind = SampleKind::kPlain);

// The score of a row of a table, as a server computes it, or in double precision with Explain.
// `cells` fit the schema.
absl::StatusOr<float> ScoreCells(const WeightFile& file, const std::vector<std::string>& cells);
absl::StatusOr<double> ExplainCells(const WeightFile& file, const std::vector<std::string>& cells);

// Makes every checksum right whose bytes lie inside: what a forger would do, and what a fuzzer
// cannot guess.
void FixChecksums(std::span<std::byte> file);

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_SAMPLE_FILE_H_
