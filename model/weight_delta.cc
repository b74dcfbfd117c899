#include "model/weight_delta.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/delta_apply.h"
#include "model/delta_layout.h"

namespace fmserve::model {

const char* DeltaSectionName(uint32_t type) {
  switch (format::DeltaSection{type}) {
    case format::DeltaSection::kImage:
      return "image";
    case format::DeltaSection::kWhole:
      return "whole";
    case format::DeltaSection::kRemoved:
      return "removed";
    case format::DeltaSection::kRowSlots:
      return "row_slots";
    case format::DeltaSection::kRows:
      return "rows";
    case format::DeltaSection::kCountSlots:
      return "count_slots";
    case format::DeltaSection::kCounts:
      return "counts";
    case format::DeltaSection::kNameSlots:
      return "name_slots";
    case format::DeltaSection::kNameSizes:
      return "name_sizes";
    case format::DeltaSection::kNames:
      return "names";
  }
  return "unknown";
}

absl::StatusOr<DeltaFile> DeltaFile::FromBytes(std::span<const std::byte> bytes,
                                               Checkpoint checkpoint) {
  if (absl::Status status = CheckEnvelope(bytes, kDeltaKind); !status.ok()) return status;
  format::DeltaHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (absl::Status status = CheckFileSize(header.file_size, bytes.size()); !status.ok())
    return status;
  const absl::Status named = CheckNameField(header.model_name);
  if (!named.ok()) return absl::DataLossError(named.message());
  absl::StatusOr<std::vector<Section>> sections = ReadSections(bytes, kDeltaKind, checkpoint);
  if (!sections.ok()) return sections.status();
  for (auto type = static_cast<uint32_t>(format::DeltaSection::kImage);
       type <= static_cast<uint32_t>(format::DeltaSection::kNames); ++type) {
    if (FindSection(*sections, type) == nullptr)
      return absl::DataLossError(absl::StrCat("section ", DeltaSectionName(type), " is missing"));
  }
  DeltaFile delta;
  delta.sections_ = *std::move(sections);
  delta.info_ = {.model_name = header.model_name,
                 .version = header.version,
                 .base_size = header.base_size,
                 .result_size = header.result_size};
  std::ranges::copy(header.base_sha256, delta.info_.base_sha256.begin());
  std::ranges::copy(header.result_sha256, delta.info_.result_sha256.begin());
  return delta;
}

absl::Status DeltaFile::Apply(const WeightFile& base, uint64_t max_bytes, Sink sink,
                              Checkpoint checkpoint) const {
  return DeltaApplication(info_, sections_, base, sink, checkpoint).Run(max_bytes);
}

}  // namespace fmserve::model
