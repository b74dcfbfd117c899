#include "model/section_table.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/checksum.h"

namespace fmserve::model {
namespace {

using format::SectionEntry;

bool IsKnown(const Section& section) { return std::strcmp(section.name, "unknown") != 0; }

bool AllZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// "unknown (9)", "rows".
std::string Describe(const Section& section) {
  return IsKnown(section) ? section.name : absl::StrCat(section.name, " (", section.type, ")");
}

// Against everything that a table can say wrong. `previous_end`: where the section before ends.
absl::Status CheckEntry(const SectionEntry& entry, const FileKind& kind, uint64_t previous_end,
                        std::span<const std::byte> file) {
  const Section section{.type = entry.type,
                        .name = kind.section_name(entry.type),
                        .required = false,
                        .offset = entry.offset,
                        .bytes = {}};
  if ((entry.flags & ~format::kSectionRequired) != 0) {
    return section.Damaged(0,
                           absl::StrCat("unknown flags ", absl::Hex(entry.flags, absl::kZeroPad8)));
  }
  if (entry.reserved != 0)
    return section.Damaged(0, "the reserved field of its table entry is not zero");
  if (entry.offset % format::kSectionAlignment != 0) {
    return section.Damaged(
        0, absl::StrCat("the offset is no multiple of ", format::kSectionAlignment));
  }
  if (entry.offset > file.size() || entry.size > file.size() - entry.offset) {
    return section.Damaged(
        0, absl::StrCat(entry.size, " bytes from there on do not fit in a file of ", file.size()));
  }
  if (entry.offset < previous_end) {
    return section.Damaged(0, absl::StrCat("overlaps what ends at offset ", previous_end));
  }
  if (entry.offset != AlignedEnd(previous_end)) {
    return section.Damaged(0,
                           absl::StrCat("leaves a gap after what ends at offset ", previous_end));
  }
  if (!AllZero(file.subspan(previous_end, entry.offset - previous_end))) {
    return section.Damaged(0, "the padding before it is not zero");
  }
  return absl::OkStatus();
}

absl::Status CheckType(const Section& section, const std::vector<Section>& before) {
  if (!IsKnown(section)) {
    if (!section.required) return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat("section ", Describe(section), " at offset ", section.offset,
                     " is required and unknown to this program; use a newer one"));
  }
  const auto same_type = [&](const Section& other) { return other.type == section.type; };
  if (std::any_of(before.begin(), before.end(), same_type))
    return section.Damaged(0, "stands twice in the table");
  return absl::OkStatus();
}

}  // namespace

absl::Status Section::Damaged(uint64_t position, const std::string& what) const {
  return absl::DataLossError(
      absl::StrCat("section ", Describe(*this), " at offset ", offset + position, ": ", what));
}

absl::StatusOr<std::vector<Section>> ReadSections(std::span<const std::byte> file,
                                                  const FileKind& kind, Checkpoint checkpoint) {
  FileEnvelope header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::vector<Section> sections;
  uint64_t previous_end = TableEnd(header.sections_count);
  for (uint32_t i = 0; i < header.sections_count; ++i) {
    SectionEntry entry;
    std::memcpy(&entry, file.data() + sizeof(header) + i * sizeof(entry), sizeof(entry));
    if (absl::Status status = CheckEntry(entry, kind, previous_end, file); !status.ok())
      return status;
    const Section section{.type = entry.type,
                          .name = kind.section_name(entry.type),
                          .required = (entry.flags & format::kSectionRequired) != 0,
                          .offset = entry.offset,
                          .bytes = file.subspan(entry.offset, entry.size)};
    if (absl::Status status = CheckType(section, sections); !status.ok()) return status;
    const absl::StatusOr<Checksum> checksum = ChecksumOf(section.bytes, checkpoint);
    if (!checksum.ok()) return checksum.status();
    if (std::memcmp(checksum->data(), entry.checksum, checksum->size()) != 0) {
      return section.Damaged(
          0, absl::StrCat("the checksum does not match its ", entry.size, " bytes"));
    }
    sections.push_back(section);
    previous_end = entry.offset + entry.size;
  }
  if (previous_end != file.size()) {
    return absl::DataLossError(absl::StrCat("header at offset ", offsetof(FileEnvelope, file_size),
                                            ": ", file.size() - previous_end,
                                            " bytes after the last section"));
  }
  return sections;
}

const Section* FindSection(std::span<const Section> sections, uint32_t type) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const Section& section) { return section.type == type; });
  return found == sections.end() ? nullptr : &*found;
}

}  // namespace fmserve::model
