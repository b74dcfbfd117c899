#include "model/golden.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/byte_codec.h"
#include "model/types.h"

namespace fmserve::model {

std::string SerializeGoldens(const std::vector<Golden>& goldens) {
  ByteWriter writer;
  writer.Write(static_cast<uint32_t>(goldens.size()));
  for (const Golden& golden : goldens) {
    writer.Write(golden.score);
    writer.Write(static_cast<uint32_t>(golden.cells.size()));
    for (const std::string& cell : golden.cells) writer.WriteString(cell);
  }
  return std::move(writer).Take();
}

absl::StatusOr<std::vector<Golden>> ParseGoldens(std::string_view bytes) {
  ByteReader reader(bytes);
  std::vector<Golden> goldens(reader.ReadCount(kMaxGoldens, sizeof(double) + sizeof(uint32_t)));
  for (Golden& golden : goldens) {
    golden.score = reader.Read<double>();
    if (!std::isfinite(golden.score)) reader.Fail("the score of a golden is not finite");
    golden.cells.resize(reader.ReadCount(kMaxFields, sizeof(uint32_t)));
    for (std::string& cell : golden.cells) cell = reader.ReadString(kMaxTextBytes);
    if (!reader.ok()) break;
  }
  reader.ExpectEnd();
  if (!reader.ok()) return reader.status();
  return goldens;
}

absl::Status CheckCells(const std::vector<Golden>& goldens, size_t fields_count) {
  for (size_t i = 0; i < goldens.size(); ++i) {
    if (goldens[i].cells.size() == fields_count) continue;
    return absl::InvalidArgumentError(absl::StrCat("golden ", i, " has ", goldens[i].cells.size(),
                                                   " cells, the schema has ", fields_count,
                                                   " fields"));
  }
  return absl::OkStatus();
}

std::string SerializeMetadata(const Metadata& metadata) {
  ByteWriter writer;
  writer.Write(static_cast<uint32_t>(metadata.size()));
  for (const auto& [name, value] : metadata) {
    writer.WriteString(name);
    writer.WriteString(value);
  }
  return std::move(writer).Take();
}

absl::StatusOr<Metadata> ParseMetadata(std::string_view bytes) {
  ByteReader reader(bytes);
  Metadata metadata(reader.ReadCount(kMaxMetadataEntries, 2 * sizeof(uint32_t)));
  for (auto& [name, value] : metadata) {
    name = reader.ReadString(kMaxTextBytes);
    if (name.empty()) reader.Fail("a metadata entry has no name");
    value = reader.ReadString(kMaxTextBytes);
    if (!reader.ok()) break;
  }
  reader.ExpectEnd();
  if (!reader.ok()) return reader.status();
  return metadata;
}

}  // namespace fmserve::model
