#include "model/delta_apply.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/file_header.h"

namespace fmserve::model {
namespace {

using format::DeltaSection;
using format::DeltaSource;
using format::SectionEntry;
using format::SectionType;

constexpr size_t kRowsAhead = 16;  // rows in the order of the result are all over the base

}  // namespace

absl::Status DeltaApplication::Give(std::span<const std::byte> bytes) {
  given_bytes_ += bytes.size();
  return sink_(bytes);
}

absl::Status DeltaApplication::Run(uint64_t max_bytes) {
  if (absl::Status status = ReadImage(max_bytes); !status.ok()) return status;
  const std::span<const std::byte> image = At(DeltaSection::kImage).bytes;
  const uint64_t table_end = TableEnd(header_.sections_count);
  if (absl::Status status = Give(image.first(table_end)); !status.ok()) return status;
  for (size_t i = 0; i < entries_.size(); ++i) {
    constexpr std::byte kPadding[format::kSectionAlignment] = {};
    const uint64_t padding_bytes = entries_[i].offset - given_bytes_;
    if (absl::Status status = Give(std::span(kPadding).first(padding_bytes)); !status.ok())
      return status;
    if (absl::Status status = WriteSection(entries_[i], sources_[i]); !status.ok()) return status;
    if (given_bytes_ != entries_[i].offset + entries_[i].size) {
      return Lies(absl::StrCat("section ", SectionName(entries_[i].type), " does not have the ",
                               entries_[i].size, " bytes that the table says"));
    }
  }
  return whole_.ExpectEnd();
}

absl::Status DeltaApplication::ReadImage(uint64_t max_bytes) {
  if (info_.result_size > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the result would have ", info_.result_size,
                                                   " bytes, more than the limit of ", max_bytes));
  }
  if (base_.info().file_size != info_.base_size) {
    return Lies(absl::StrCat("made for a base of ", info_.base_size, " bytes, not ",
                             base_.info().file_size));
  }
  const std::span<const std::byte> image = At(DeltaSection::kImage).bytes;
  const absl::StatusOr<format::FileHeader> header = ReadHeader(image);
  if (!header.ok()) return Lies(std::string(header.status().message()));
  header_ = *header;
  const uint64_t table_end = TableEnd(header_.sections_count);
  if (image.size() != table_end + header_.sections_count)
    return Lies("the image is not a header, a table and a source per section");
  if (header_.sections_count == 0) return Lies("the result has no sections");
  entries_.resize(header_.sections_count);
  sources_.resize(header_.sections_count);
  std::memcpy(entries_.data(), image.data() + sizeof(header_), table_end - sizeof(header_));
  std::memcpy(sources_.data(), image.data() + table_end, sources_.size());
  if (header_.file_size != info_.result_size) return Lies("two sizes of the result");
  if (header_.k != base_.info().k ||
      Quantization{header_.quantization} != base_.info().quantization) {
    return Lies("k or quantization are not the base's");
  }
  return CheckEntries();
}

absl::Status DeltaApplication::CheckEntries() const {
  uint64_t end = TableEnd(header_.sections_count);
  bool dictionary_seen = false;
  bool rows_seen = false;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const SectionEntry& entry = entries_[i];
    const auto type = SectionType{entry.type};
    if (entry.offset != AlignedEnd(end) || entry.offset > header_.file_size ||
        entry.size > header_.file_size - entry.offset) {
      return Lies(absl::StrCat("section ", i, " of the result lies where it cannot"));
    }
    end = entry.offset + entry.size;
    const bool is_rows = type == SectionType::kRows;
    const bool may_be_by_key =
        is_rows || type == SectionType::kCounts || type == SectionType::kNames;
    const bool by_key = sources_[i] == DeltaSource::kByKey;
    if (sources_[i] > DeltaSource::kByKey || (by_key && !may_be_by_key) || (is_rows && !by_key)) {
      return Lies(absl::StrCat("section ", SectionName(entry.type), " cannot come from source ",
                               static_cast<int>(sources_[i])));
    }
    if (by_key && !dictionary_seen)
      return Lies("the dictionary of the result does not stand before what is by key");
    if (type == SectionType::kDictionary) {
      // A pilot per slot is more than any writer takes, and bounds what is allocated for them.
      const bool fits = entry.size >= sizeof(uint16_t) && entry.size % sizeof(uint16_t) == 0 &&
                        entry.size / sizeof(uint16_t) <= header_.slots_count + 1;
      if (!fits || dictionary_seen) return Lies("the dictionary of the result cannot be one");
      dictionary_seen = true;
    }
    // Below 2^32 slots of at most 1088 bytes: no overflow.
    if (is_rows && (rows_seen || entry.size != header_.slots_count * header_.row_stride_bytes))
      return Lies("the rows of the result have another size");
    rows_seen |= is_rows;
  }
  if (end == header_.file_size && rows_seen) return absl::OkStatus();
  return Lies("the sections of the result do not fill it, or it has no rows");
}

absl::Status DeltaApplication::WriteSection(const SectionEntry& entry, DeltaSource source) {
  const auto type = SectionType{entry.type};
  if (source != DeltaSource::kByKey) {
    absl::Status status = source == DeltaSource::kBase ? CopyFromBase(entry) : CopyWhole(entry);
    if (status.ok() && type == SectionType::kDictionary) status = FindOrigins();
    return status;
  }
  if (type == SectionType::kRows) return WriteRows();
  return type == SectionType::kCounts ? WriteCounts(entry) : WriteNames(entry);
}

absl::Status DeltaApplication::CopyFromBase(const SectionEntry& entry) {
  const SectionInfo* const section = FindSectionOf(base_, SectionType{entry.type});
  if (section == nullptr || section->size != entry.size) {
    return Lies(
        absl::StrCat("section ", SectionName(entry.type), " of the base is not as it says"));
  }
  std::span<const std::byte> bytes = base_.bytes(*section);
  if (SectionType{entry.type} == SectionType::kDictionary) {
    pilots_.resize(bytes.size() / sizeof(uint16_t));
    std::memcpy(pilots_.data(), bytes.data(), bytes.size());
  }
  while (!bytes.empty()) {
    if (absl::Status status = checkpoint_(); !status.ok()) return status;
    const size_t step = std::min(bytes.size(), kCheckpointBytes);
    if (absl::Status status = Give(bytes.first(step)); !status.ok()) return status;
    bytes = bytes.subspan(step);
  }
  return absl::OkStatus();
}

absl::Status DeltaApplication::CopyWhole(const SectionEntry& entry) {
  const bool keep = SectionType{entry.type} == SectionType::kDictionary;
  if (keep) pilots_.resize(entry.size / sizeof(uint16_t));
  std::vector<std::byte> buffer(std::min<uint64_t>(entry.size, kCheckpointBytes));
  for (uint64_t done = 0; done < entry.size;) {
    if (absl::Status status = checkpoint_(); !status.ok()) return status;
    const std::span<std::byte> bytes =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), entry.size - done));
    if (absl::Status status = whole_.Read(bytes); !status.ok()) return status;
    if (keep)
      std::memcpy(std::as_writable_bytes(std::span(pilots_)).data() + done, bytes.data(),
                  bytes.size());
    if (absl::Status status = Give(bytes); !status.ok()) return status;
    done += bytes.size();
  }
  return absl::OkStatus();
}

absl::Status DeltaApplication::FindOrigins() {
  std::vector<uint32_t> removed;
  SlotReader reader(At(DeltaSection::kRemoved), base_.rows().slots_count);
  while (true) {
    const absl::StatusOr<std::optional<uint32_t>> slot = reader.Next();
    if (!slot.ok()) return slot.status();
    if (!*slot) break;
    removed.push_back(**slot);
  }
  const ResultOrder order{
      .seed = header_.dictionary_seed, .slots_count = header_.slots_count, .pilots = pilots_};
  absl::StatusOr<RowOrigins> origins = RowOrigins::Create(base_, order, removed, checkpoint_);
  if (!origins.ok()) return origins.status();
  origins_ = *std::move(origins);
  pilots_ = {};
  return absl::OkStatus();
}

absl::Status DeltaApplication::WriteRows() {
  const RowsView& before = base_.rows();
  const size_t stride = before.stride_bytes;
  SlotCursor changed(At(DeltaSection::kRowSlots), header_.slots_count);
  FrameReader rows(At(DeltaSection::kRows));
  std::vector<std::byte> difference(stride);
  std::vector<std::byte> step;
  step.reserve(kSlotsPerStep * stride);
  for (uint64_t slot = 0; slot < header_.slots_count; ++slot) {
    if (slot + kRowsAhead < header_.slots_count) {
      const uint32_t ahead = origins_.at(slot + kRowsAhead);
      if (ahead != kNoSlot) __builtin_prefetch(before.row(ahead));
    }
    const uint32_t origin = origins_.at(slot);
    const size_t at = step.size();
    step.resize(at + stride);
    if (origin != kNoSlot) std::memcpy(step.data() + at, before.row(origin), stride);
    const absl::StatusOr<bool> differs = changed.Take(slot);
    if (!differs.ok()) return differs.status();
    if (*differs) {
      if (absl::Status status = rows.Read(difference); !status.ok()) return status;
      XorInto({step.data() + at, stride}, difference.data());
    }
    if (step.size() < kSlotsPerStep * stride && slot + 1 < header_.slots_count) continue;
    if (absl::Status status = checkpoint_(); !status.ok()) return status;
    if (absl::Status status = Give(step); !status.ok()) return status;
    step.clear();
  }
  return rows.ExpectEnd();
}

absl::Status DeltaApplication::WriteCounts(const SectionEntry& entry) {
  if (entry.size != sizeof(uint64_t) + header_.slots_count * sizeof(uint32_t))
    return Lies("the counts of the result have another size");
  SlotCursor changed(At(DeltaSection::kCountSlots), header_.slots_count);
  FrameReader counts(At(DeltaSection::kCounts));
  uint64_t training_rows = 0;
  if (absl::Status status = counts.Read(std::as_writable_bytes(std::span(&training_rows, 1)));
      !status.ok()) {
    return status;
  }
  if (absl::Status status = Give(std::as_bytes(std::span(&training_rows, 1))); !status.ok())
    return status;
  std::vector<uint32_t> step;
  for (uint64_t slot = 0; slot < header_.slots_count; ++slot) {
    step.push_back(CountAt(base_, origins_.at(slot)));
    const absl::StatusOr<bool> differs = changed.Take(slot);
    if (!differs.ok()) return differs.status();
    if (*differs) {
      uint32_t difference = 0;
      if (absl::Status status = counts.Read(std::as_writable_bytes(std::span(&difference, 1)));
          !status.ok()) {
        return status;
      }
      step.back() ^= difference;
    }
    if (step.size() < kSlotsPerStep && slot + 1 < header_.slots_count) continue;
    if (absl::Status status = checkpoint_(); !status.ok()) return status;
    if (absl::Status status = Give(std::as_bytes(std::span(step))); !status.ok()) return status;
    step.clear();
  }
  return counts.ExpectEnd();
}

}  // namespace fmserve::model
