#include "model/section_writer.h"

#include <cassert>
#include <cstring>

namespace fmserve::model {
SectionWriter::SectionWriter(AtomicFile& file, uint32_t sections_count) : file_(file) {
  sections_.reserve(sections_count);
  status_ = file_.Append(std::vector<std::byte>(TableEnd(sections_count)));
}

void SectionWriter::Begin(uint32_t type, uint32_t flags) {
  assert(sections_.size() < sections_.capacity());
  // Written and not skipped, so that a file that ends in an empty section has its whole size.
  constexpr std::byte kPadding[format::kSectionAlignment] = {};
  const uint64_t padding_bytes = AlignedEnd(file_.size_bytes()) - file_.size_bytes();
  if (status_.ok()) status_ = file_.Append(std::span(kPadding).first(padding_bytes));
  hasher_.Reset();
  format::SectionEntry& section = sections_.emplace_back();
  section.type = type;
  section.flags = flags;
  section.offset = file_.size_bytes();
}

void SectionWriter::Append(std::span<const std::byte> bytes) {
  hasher_.Update(bytes);
  if (status_.ok()) status_ = file_.Append(bytes);
}

void SectionWriter::End() {
  format::SectionEntry& section = sections_.back();
  section.size = file_.size_bytes() - section.offset;
  const Checksum checksum = hasher_.Digest();
  std::memcpy(section.checksum, checksum.data(), checksum.size());
}

void SectionWriter::Write(uint32_t type, uint32_t flags, std::span<const std::byte> bytes) {
  Begin(type, flags);
  Append(bytes);
  End();
}

absl::Status SectionWriter::Finish(const FileKind& kind, FileEnvelope header) {
  if (!status_.ok()) return status_;
  std::memcpy(header.magic, kind.magic, sizeof(header.magic));
  header.format_major = kind.format_major;
  header.format_minor = kind.format_minor;
  header.header_size = sizeof(header);
  header.file_size = file_.size_bytes();
  header.sections_count = static_cast<uint32_t>(sections_.size());
  std::vector<std::byte> image(TableEnd(header.sections_count));
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + sizeof(header), sections_.data(), image.size() - sizeof(header));
  const Checksum checksum = HeaderChecksum(image, header.sections_count);
  std::memcpy(image.data() + offsetof(FileEnvelope, header_checksum), checksum.data(),
              checksum.size());
  return file_.Overwrite(0, image);
}

}  // namespace fmserve::model
