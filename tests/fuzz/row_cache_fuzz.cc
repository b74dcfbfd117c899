// libFuzzer: whatever bytes are a block of rows or the index of a cache, they are refused, or what
// is read from them is safe to use.
//
// Checksums are made right, because a fuzzer does not guess its way past XXH3-128.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "model/checksum.h"
#include "trainer/dataset.h"
#include "trainer/row_block.h"
#include "trainer/row_cache.h"

namespace fmserve::trainer {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void ReadBlock(std::span<const std::byte> bytes) {
  constexpr uint32_t kNewRows[] = {3, 2, 1, 0};
  Examples examples;
  if (!DecodeBlock(bytes, kNewRows, examples).ok()) return;
  Require(examples.ends.size() == examples.size());
  Require(examples.weights.empty() || examples.weights.size() == examples.size());
  size_t entries = 0;
  for (size_t i = 0; i < examples.size(); ++i) entries += examples[i].size();
  Require(entries == examples.entries.size());
  for (const Entry& entry : examples.entries) Require(entry.row < 4);
  const std::vector<std::byte> again = EncodeBlock(examples);
  Require(again.size() <= bytes.size());
}

// A cache whose index these are, behind 256 bytes of blocks.
std::string CacheWith(std::span<const std::byte> index) {
  constexpr uint64_t kOffset = 8 + 256;
  std::string file = "fmrows01" + std::string(256, '\0');
  file.append(reinterpret_cast<const char*>(index.data()), index.size());
  const size_t tail = file.size();
  const uint64_t bytes = index.size();
  const model::Checksum of_index = model::ChecksumOf(index);
  file.append(reinterpret_cast<const char*>(&kOffset), sizeof(kOffset));
  file.append(reinterpret_cast<const char*>(&bytes), sizeof(bytes));
  file.append(reinterpret_cast<const char*>(of_index.data()), of_index.size());
  const model::Checksum of_tail = model::ChecksumOf(std::as_bytes(std::span(file)).subspan(tail));
  file.append(reinterpret_cast<const char*>(of_tail.data()), of_tail.size());
  return file;
}

void ReadIndex(std::span<const std::byte> bytes) {
  static const std::string path =
      std::filesystem::temp_directory_path() / ("row_cache_fuzz_" + std::to_string(getpid()));
  std::ofstream(path, std::ios::binary) << CacheWith(bytes);
  TrainingData data;
  auto cache = RowCache::Open(path, "fuzz", data);
  std::filesystem::remove(path);
  if (!cache.ok()) return;
  Require(data.missing_by_field.size() == data.schema.size());
  for (size_t row = 0; row < data.vocabulary.size(); ++row)
    Require(data.vocabulary[row].field < data.schema.size());
  (*cache)->Renumber(data.vocabulary.Prune(data.schema));
  for (size_t block = 0; block < (*cache)->blocks_count(); ++block)
    (void)(*cache)->Load(block, block + 1);
}

}  // namespace
}  // namespace fmserve::trainer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  fmserve::trainer::ReadBlock(bytes);
  fmserve::trainer::ReadIndex(bytes);
  return 0;
}
