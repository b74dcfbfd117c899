// Two weight files -> the delta between them.
#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/atomic_file.h"
#include "model/delta_frame.h"
#include "model/delta_layout.h"
#include "model/section_writer.h"
#include "model/weight_delta.h"

namespace fmserve::model {
namespace {

using format::DeltaSection;
using format::DeltaSource;
using format::SectionType;

constexpr uint64_t kSlotsPerCheckpoint = 1024;

uint32_t Type(DeltaSection section) { return static_cast<uint32_t>(section); }

uint64_t KeyAt(const RowsView& rows, uint64_t slot) {
  uint64_t key = format::kEmptyKey;
  std::memcpy(&key, rows.row(slot), sizeof(key));
  return key;
}

// A name as the names section holds it: field and value. Empty where there is none.
std::string RecordAt(const WeightFile& file, uint32_t slot) {
  const std::optional<FeatureName> name = slot == kNoSlot ? std::nullopt : file.name(slot);
  if (!name) return "";
  std::string record(1, static_cast<char>(name->field));
  record.append(name->value);
  return record;
}

class DeltaBuilder {
 public:
  DeltaBuilder(const WeightFile& base, const WeightFile& result, Checkpoint checkpoint)
      : base_(base), result_(result), checkpoint_(checkpoint) {}

  absl::Status Compare() {
    if (absl::Status status = FindRemoved(); !status.ok()) return status;
    absl::StatusOr<RowOrigins> origins =
        RowOrigins::Create(base_, OrderOf(result_), removed_, checkpoint_);
    if (!origins.ok()) return origins.status();
    origins_ = *std::move(origins);
    for (const SectionInfo& section : result_.sections()) sources_.push_back(SourceOf(section));
    return ForEachSlot([&](uint32_t slot, uint32_t origin) { CompareSlot(slot, origin); });
  }

  absl::Status WriteSections(SectionWriter& out) {
    WriteImage(out);
    absl::Status status = WriteWhole(out);
    status.Update(WriteSlots(removed_, Type(DeltaSection::kRemoved), out));
    status.Update(WriteSlots(row_slots_, Type(DeltaSection::kRowSlots), out));
    status.Update(WriteRows(out));
    status.Update(WriteSlots(count_slots_, Type(DeltaSection::kCountSlots), out));
    status.Update(WriteCounts(out));
    status.Update(WriteSlots(name_slots_, Type(DeltaSection::kNameSlots), out));
    status.Update(WriteNames(out));
    return status;
  }

  const DeltaCounts& counts() const { return counts_; }

 private:
  template <typename Visit>
  absl::Status ForEachSlot(Visit visit) const {
    for (uint64_t slot = 0; slot < result_.rows().slots_count; ++slot) {
      if (slot % kSlotsPerCheckpoint == 0) {
        if (absl::Status status = checkpoint_(); !status.ok()) return status;
      }
      visit(static_cast<uint32_t>(slot), origins_.at(slot));
    }
    return absl::OkStatus();
  }

  absl::Status FindRemoved() {
    for (uint64_t slot = 0; slot < base_.rows().slots_count; ++slot) {
      if (slot % kSlotsPerCheckpoint == 0) {
        if (absl::Status status = checkpoint_(); !status.ok()) return status;
      }
      const uint64_t key = KeyAt(base_.rows(), slot);
      if (key != format::kEmptyKey && result_.dictionary().Find(key) == kNoSlot)
        removed_.push_back(static_cast<uint32_t>(slot));
    }
    counts_.removed = removed_.size();
    return absl::OkStatus();
  }

  DeltaSource SourceOf(const SectionInfo& section) const {
    const auto type = SectionType{section.type};
    if (type == SectionType::kRows) return DeltaSource::kByKey;
    const SectionInfo* const same = FindSectionOf(base_, type);
    if (same == nullptr) return DeltaSource::kWhole;
    if (std::ranges::equal(base_.bytes(*same), result_.bytes(section))) return DeltaSource::kBase;
    const bool by_key = type == SectionType::kCounts || type == SectionType::kNames;
    return by_key ? DeltaSource::kByKey : DeltaSource::kWhole;
  }

  bool ByKey(SectionType type) const {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (SectionType{result_.sections()[i].type} == type)
        return sources_[i] == DeltaSource::kByKey;
    }
    return false;
  }

  void CompareSlot(uint32_t slot, uint32_t origin) {
    const RowsView& rows = result_.rows();
    const uint64_t before = origin == kNoSlot ? format::kEmptyKey : KeyAt(base_.rows(), origin);
    if (before == format::kEmptyKey) {
      if (KeyAt(rows, slot) != format::kEmptyKey) {
        row_slots_.push_back(slot);
        ++counts_.added;
      }
    } else if (std::memcmp(rows.row(slot), base_.rows().row(origin), rows.stride_bytes) != 0) {
      row_slots_.push_back(slot);
      ++counts_.changed;
    }
    if (ByKey(SectionType::kCounts) && CountAt(result_, slot) != CountAt(base_, origin))
      count_slots_.push_back(slot);
    if (ByKey(SectionType::kNames) && !SameName(slot, origin)) name_slots_.push_back(slot);
  }

  bool SameName(uint32_t slot, uint32_t origin) const {
    const std::optional<FeatureName> name = result_.name(slot);
    const std::optional<FeatureName> before = origin == kNoSlot ? std::nullopt : base_.name(origin);
    if (!name || !before) return !name && !before;
    return name->field == before->field && name->value == before->value;
  }

  void WriteImage(SectionWriter& out) const {
    out.Begin(Type(DeltaSection::kImage), format::kSectionRequired);
    out.Append(result_.bytes().first(TableEnd(static_cast<uint32_t>(sources_.size()))));
    out.Append(std::as_bytes(std::span(sources_)));
    out.End();
  }

  absl::Status WriteWhole(SectionWriter& out) const {
    FrameWriter frame(out, Type(DeltaSection::kWhole));
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i] == DeltaSource::kWhole) frame.Append(result_.bytes(result_.sections()[i]));
    }
    return frame.End();
  }

  absl::Status WriteRows(SectionWriter& out) const {
    const RowsView& rows = result_.rows();
    FrameWriter frame(out, Type(DeltaSection::kRows));
    std::vector<std::byte> row(rows.stride_bytes);
    for (size_t i = 0; i < row_slots_.size(); ++i) {
      if (i % kSlotsPerCheckpoint == 0) {
        if (absl::Status status = checkpoint_(); !status.ok()) return status;
      }
      const uint32_t origin = origins_.at(row_slots_[i]);
      std::memcpy(row.data(), rows.row(row_slots_[i]), row.size());
      if (origin != kNoSlot) XorInto(row, base_.rows().row(origin));
      frame.Append(row);
    }
    return frame.End();
  }

  absl::Status WriteCounts(SectionWriter& out) const {
    FrameWriter frame(out, Type(DeltaSection::kCounts));
    if (ByKey(SectionType::kCounts))
      frame.Append(std::as_bytes(std::span(&result_.counts()->rows, 1)));
    for (const uint32_t slot : count_slots_) {
      const uint32_t difference = CountAt(result_, slot) ^ CountAt(base_, origins_.at(slot));
      frame.Append(std::as_bytes(std::span(&difference, 1)));
    }
    return frame.End();
  }

  absl::Status WriteNames(SectionWriter& out) const {
    FrameWriter sizes(out, Type(DeltaSection::kNameSizes));
    for (const uint32_t slot : name_slots_) {
      const auto size = static_cast<uint32_t>(RecordAt(result_, slot).size());
      sizes.Append(std::as_bytes(std::span(&size, 1)));
    }
    if (absl::Status status = sizes.End(); !status.ok()) return status;
    FrameWriter records(out, Type(DeltaSection::kNames));
    for (const uint32_t slot : name_slots_) {
      const std::string record = RecordAt(result_, slot);
      records.Append(std::as_bytes(std::span(record)));
    }
    return records.End();
  }

  const WeightFile& base_;
  const WeightFile& result_;
  const Checkpoint checkpoint_;
  RowOrigins origins_;
  std::vector<DeltaSource> sources_;  // of the result's sections
  std::vector<uint32_t> removed_;     // slots of the base
  std::vector<uint32_t> row_slots_;   // slots of the result, as the next
  std::vector<uint32_t> count_slots_;
  std::vector<uint32_t> name_slots_;
  DeltaCounts counts_;
};

}  // namespace

absl::StatusOr<DeltaCounts> WriteDelta(const WeightFile& base, const Sha256Bytes& base_sha256,
                                       const WeightFile& result, const Sha256Bytes& result_sha256,
                                       const std::string& path, Checkpoint checkpoint) {
  if (base.info().k != result.info().k || base.info().quantization != result.info().quantization) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the rows are k = ", result.info().k, " in ", std::string(Name(result.info().quantization)),
        ", those of the base k = ", base.info().k, " in ",
        std::string(Name(base.info().quantization)),
        ": a delta would hold them all; ship the whole file"));
  }
  DeltaBuilder builder(base, result, checkpoint);
  if (absl::Status status = builder.Compare(); !status.ok()) return status;
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  SectionWriter out(*file, static_cast<uint32_t>(DeltaSection::kNames));
  if (absl::Status status = builder.WriteSections(out); !status.ok()) return status;
  format::DeltaHeader header = {};
  header.version = result.info().version;
  header.created_unix_us = result.info().created_unix_us;
  SetModelName(result.info().model_name, header.model_name);
  header.base_size = base.info().file_size;
  header.result_size = result.info().file_size;
  std::ranges::copy(base_sha256, header.base_sha256);
  std::ranges::copy(result_sha256, header.result_sha256);
  absl::Status status = out.Finish(kDeltaKind, std::bit_cast<FileEnvelope>(header));
  if (status.ok()) status = file->Commit();
  if (!status.ok()) return status;
  return builder.counts();
}

}  // namespace fmserve::model
