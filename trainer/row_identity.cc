#include "trainer/row_identity.h"

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checksum.h"

namespace fmserve::trainer {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

// With its length, so that what follows cannot be taken for its end.
void HashText(std::string_view text, model::Hasher& hasher) {
  const uint64_t bytes = text.size();
  hasher.Update(std::as_bytes(std::span(&bytes, 1)));
  hasher.Update(std::as_bytes(std::span(text)));
}

absl::Status HashFile(const std::string& path, model::Hasher& hasher) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": a cache is made of files, and this is none"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> buffer(kReadBytes);
  uint64_t bytes = 0;
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto count = static_cast<size_t>(file.gcount());
    hasher.Update(std::as_bytes(std::span(buffer).first(count)));
    bytes += count;
  }
  if (!file.eof()) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read"));
  hasher.Update(std::as_bytes(std::span(&bytes, 1)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> IdentityOfRows(const RowShard& shard, const TrainingSchema& schema,
                                           const ReadOptions& options, std::string_view features) {
  model::Hasher hasher;
  HashText(schema.yaml, hasher);
  HashText(features, hasher);
  HashText(
      absl::StrCat(options.seed, " ", options.samples, " ",
                   absl::StrFormat("%.17g", options.negatives), " ", options.block_bytes, " ",
                   shard.first, " ", shard.stride, " ", shard.chunk_bytes, " ", shard.files.size()),
      hasher);
  for (const RowShard::File& file : shard.files) {
    // Its name tells the format; its number, which rows are drawn.
    HashText(absl::StrCat(file.number, " ", std::filesystem::path(file.path).filename().string()),
             hasher);
    if (absl::Status status = HashFile(file.path, hasher); !status.ok()) return status;
  }
  const model::Checksum checksum = hasher.Digest();
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(checksum.data()), checksum.size()));
}

}  // namespace fmserve::trainer
