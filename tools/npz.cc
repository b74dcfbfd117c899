#include "tools/npz.h"

#include <zlib.h>

#include <bit>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fmserve::tools {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryHeader = 0x02014b50;
constexpr uint32_t kEndOfDirectory = 0x06054b50;
constexpr uint16_t kZipVersion = 20;
constexpr uint16_t kMidnight = 0;
constexpr uint16_t kJanuary1980 = (1 << 5) | 1;  // zip has no "no date"

template <typename Integer>
void Append(Integer value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Magic, version 1.0, then a Python dictionary padded so that the data begins at a multiple of 64.
std::string NpyHeader(std::string_view dtype, std::span<const size_t> shape) {
  constexpr size_t kPrefix = 10;
  std::string header =
      absl::StrCat("{'descr': '", std::string(dtype), "', 'fortran_order': False, 'shape': (",
                   absl::StrJoin(shape, ", "), shape.size() == 1 ? ",), }" : "), }");
  header.append((64 - (kPrefix + header.size() + 1) % 64) % 64, ' ');
  header.push_back('\n');
  std::string npy = "\x93NUMPY";
  npy.append({'\x01', '\x00'});
  Append(static_cast<uint16_t>(header.size()), npy);
  return npy + header;
}

// The fields that a local header and a directory entry share.
void AppendEntry(uint32_t crc, uint32_t size, const std::string& name, std::string& out) {
  constexpr uint16_t kFlags = 0;
  constexpr uint16_t kStored = 0;
  constexpr uint16_t kExtraSize = 0;
  Append(kZipVersion, out);
  Append(kFlags, out);
  Append(kStored, out);
  Append(kMidnight, out);
  Append(kJanuary1980, out);
  Append(crc, out);
  Append(size, out);  // compressed
  Append(size, out);
  Append(static_cast<uint16_t>(name.size()), out);
  Append(kExtraSize, out);
}

}  // namespace

NpzWriter::NpzWriter(const std::string& path)
    : path_(path), out_(path, std::ios::binary | std::ios::trunc) {}

absl::Status NpzWriter::Add(std::string_view name, std::string_view dtype,
                            std::span<const size_t> shape, std::span<const std::byte> bytes) {
  const std::string header = NpyHeader(dtype, shape);
  const uint64_t size = header.size() + bytes.size();
  if (offset_ + size + 1024 > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError("an npz file holds less than 4 GiB; use --format tsv");
  }
  auto crc = static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size()));
  crc = static_cast<uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  const std::string file_name = std::string(name) + ".npy";

  std::string local;
  Append(kLocalHeader, local);
  AppendEntry(crc, static_cast<uint32_t>(size), file_name, local);
  absl::StrAppend(&local, file_name, header);
  out_.write(local.data(), static_cast<std::streamsize>(local.size()));
  out_.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));

  Append(kDirectoryHeader, directory_);
  Append(kZipVersion, directory_);
  AppendEntry(crc, static_cast<uint32_t>(size), file_name, directory_);
  directory_.append(10, '\0');  // comment size, disk, attributes
  Append(static_cast<uint32_t>(offset_), directory_);
  directory_ += file_name;
  offset_ += local.size() + bytes.size();
  ++entries_;
  return absl::OkStatus();
}

absl::Status NpzWriter::Finish() {
  std::string end = directory_;
  Append(kEndOfDirectory, end);
  end.append(4, '\0');  // disks
  Append(entries_, end);
  Append(entries_, end);
  Append(static_cast<uint32_t>(directory_.size()), end);
  Append(static_cast<uint32_t>(offset_), end);
  end.append(2, '\0');  // comment size
  out_.write(end.data(), static_cast<std::streamsize>(end.size()));
  out_.close();
  if (!out_) return absl::UnavailableError(absl::StrCat("cannot write ", path_));
  return absl::OkStatus();
}

}  // namespace fmserve::tools
