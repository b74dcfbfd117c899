#include "model/section_writer.h"

#include <cassert>
#include <cstring>

#include "model/file_header.h"

namespace fmserve::model {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

uint64_t FirstSectionOffset(uint32_t sections_count) {
  return AlignedEnd(sizeof(format::FileHeader) + sections_count * sizeof(format::SectionEntry));
}

}  // namespace

SectionWriter::SectionWriter(AtomicFile& file, uint32_t sections_count)
    : file_(file), position_(FirstSectionOffset(sections_count)) {
  buffer_.reserve(kBufferBytes);
  sections_.reserve(sections_count);
}

void SectionWriter::Begin(format::SectionType type, uint32_t flags) {
  assert(sections_.size() < sections_.capacity());
  // The file is extended with zeros: the padding.
  position_ = AlignedEnd(position_);
  hasher_.Reset();
  format::SectionEntry& section = sections_.emplace_back();
  section.type = static_cast<uint32_t>(type);
  section.flags = flags;
  section.offset = position_;
}

void SectionWriter::Append(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) Flush();
  if (bytes.size() < kBufferBytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return;
  }
  hasher_.Update(bytes);
  if (status_.ok()) status_ = file_.WriteAt(position_, bytes);
  position_ += bytes.size();
}

void SectionWriter::Flush() {
  hasher_.Update(buffer_);
  if (status_.ok()) status_ = file_.WriteAt(position_, buffer_);
  position_ += buffer_.size();
  buffer_.clear();
}

void SectionWriter::End() {
  Flush();
  format::SectionEntry& section = sections_.back();
  section.size = position_ - section.offset;
  const Checksum checksum = hasher_.Digest();
  std::memcpy(section.checksum, checksum.data(), checksum.size());
}

absl::Status SectionWriter::Finish(format::FileHeader header) {
  if (!status_.ok()) return status_;
  std::memcpy(header.magic, format::kMagic, sizeof(header.magic));
  header.format_major = format::kMajor;
  header.format_minor = format::kMinor;
  header.header_size = sizeof(header);
  header.file_size = position_;
  header.sections_count = static_cast<uint32_t>(sections_.size());
  std::vector<std::byte> image(TableEnd(header));
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + sizeof(header), sections_.data(), image.size() - sizeof(header));
  const Checksum checksum = HeaderChecksum(image, header);
  std::memcpy(image.data() + offsetof(format::FileHeader, header_checksum), checksum.data(),
              checksum.size());
  return file_.WriteAt(0, image);
}

}  // namespace fmserve::model
