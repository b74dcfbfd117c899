// The names of a result: where each record ends, then the records.
#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "model/delta_apply.h"

namespace fmserve::model {
namespace {

using format::DeltaSection;
using format::SectionEntry;

uint64_t RecordBytes(const WeightFile& base, uint32_t origin) {
  const std::optional<FeatureName> name = origin == kNoSlot ? std::nullopt : base.name(origin);
  return name ? 1 + name->value.size() : 0;
}

}  // namespace

absl::Status DeltaApplication::WriteNames(const SectionEntry& entry) {
  const uint64_t ends_bytes = header_.slots_count * sizeof(uint64_t);
  if (entry.size < ends_bytes) return Lies("the names of the result have another size");
  if (absl::Status status = WriteNameEnds(entry.size - ends_bytes); !status.ok()) return status;
  return WriteRecords();
}

absl::Status DeltaApplication::WriteNameEnds(uint64_t records_bytes) {
  SlotCursor changed(At(DeltaSection::kNameSlots), header_.slots_count);
  FrameReader sizes(At(DeltaSection::kNameSizes));
  std::vector<uint64_t> step;
  uint64_t end = 0;
  for (uint64_t slot = 0; slot < header_.slots_count; ++slot) {
    const absl::StatusOr<bool> differs = changed.Take(slot);
    if (!differs.ok()) return differs.status();
    if (*differs) {
      uint32_t size = 0;
      if (absl::Status status = sizes.Read(std::as_writable_bytes(std::span(&size, 1)));
          !status.ok()) {
        return status;
      }
      end += size;
    } else {
      end += RecordBytes(base_, origins_.at(slot));
    }
    if (end > records_bytes) return Lies("the names of the result are longer than its section");
    step.push_back(end);
    if (step.size() < kSlotsPerStep && slot + 1 < header_.slots_count) continue;
    if (absl::Status status = checkpoint_(); !status.ok()) return status;
    if (absl::Status status = Give(std::as_bytes(std::span(step))); !status.ok()) return status;
    step.clear();
  }
  return sizes.ExpectEnd();
}

absl::Status DeltaApplication::WriteRecords() {
  SlotCursor changed(At(DeltaSection::kNameSlots), header_.slots_count);
  FrameReader sizes(At(DeltaSection::kNameSizes));
  FrameReader records(At(DeltaSection::kNames));
  std::vector<std::byte> record(kCheckpointBytes);
  for (uint64_t slot = 0; slot < header_.slots_count; ++slot) {
    if (slot % kSlotsPerStep == 0) {
      if (absl::Status status = checkpoint_(); !status.ok()) return status;
    }
    const absl::StatusOr<bool> differs = changed.Take(slot);
    if (!differs.ok()) return differs.status();
    if (!*differs) {
      const uint32_t origin = origins_.at(slot);
      const std::optional<FeatureName> name = origin == kNoSlot ? std::nullopt : base_.name(origin);
      if (!name) continue;
      const auto field = static_cast<std::byte>(name->field);
      absl::Status status = Give({&field, 1});
      if (status.ok()) status = Give(std::as_bytes(std::span(name->value)));
      if (!status.ok()) return status;
      continue;
    }
    uint32_t left = 0;
    if (absl::Status status = sizes.Read(std::as_writable_bytes(std::span(&left, 1)));
        !status.ok()) {
      return status;
    }
    while (left > 0) {
      const std::span<std::byte> bytes =
          std::span(record).first(std::min<size_t>(left, record.size()));
      absl::Status status = records.Read(bytes);
      if (status.ok()) status = Give(bytes);
      if (!status.ok()) return status;
      left -= static_cast<uint32_t>(bytes.size());
    }
  }
  return records.ExpectEnd();
}

}  // namespace fmserve::model
