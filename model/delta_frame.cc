#include "model/delta_frame.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/delta_format.h"

namespace fmserve::model {
namespace {

constexpr int kCompressionLevel = 3;
constexpr int kWindowLog = 21;
constexpr size_t kFrameBufferBytes = size_t{128} << 10;
constexpr unsigned kMaxShift = 28;  // of the fifth byte of a gap

}  // namespace

void FrameWriter::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

FrameWriter::FrameWriter(SectionWriter& out, uint32_t type)
    : out_(out), context_(ZSTD_createCCtx()), buffer_(ZSTD_CStreamOutSize()) {
  out_.Begin(type, format::kSectionRequired);
  for (const auto& [parameter, value] : {std::pair(ZSTD_c_compressionLevel, kCompressionLevel),
                                         std::pair(ZSTD_c_windowLog, kWindowLog)}) {
    if (context_ == nullptr ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), parameter, value)))
      status_ = absl::InternalError("cannot begin to compress a section");
  }
}

void FrameWriter::Compress(std::span<const std::byte> bytes, bool end) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t left = 1;
  while (status_.ok() && (in.pos < in.size || (end && left > 0))) {
    ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
    left = ZSTD_compressStream2(context_.get(), &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left)) {
      status_ =
          absl::InternalError(absl::StrCat("cannot compress a section: ", ZSTD_getErrorName(left)));
      return;
    }
    out_.Append(std::span<const std::byte>(buffer_).first(out.pos));
  }
}

void FrameWriter::Append(std::span<const std::byte> bytes) { Compress(bytes, false); }

absl::Status FrameWriter::End() {
  Compress({}, true);
  out_.End();
  return status_;
}

void FrameReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

FrameReader::FrameReader(const Section& section)
    : section_(section), context_(ZSTD_createDCtx()), buffer_(kFrameBufferBytes) {
  if (context_ != nullptr)
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, format::kMaxWindowLog);
}

absl::Status FrameReader::Fill() {
  if (context_ == nullptr) return absl::ResourceExhaustedError("no memory to decompress a section");
  begin_ = end_ = 0;
  while (end_ == 0 && !frame_ended_) {
    ZSTD_inBuffer in{section_.bytes.data(), section_.bytes.size(), consumed_};
    ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
    const size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
    if (ZSTD_isError(result)) {
      return section_.Damaged(consumed_, absl::StrCat("not a frame of Zstandard as it should be: ",
                                                      ZSTD_getErrorName(result)));
    }
    const bool stuck = in.pos == consumed_ && out.pos == 0;
    consumed_ = in.pos;
    end_ = out.pos;
    frame_ended_ = result == 0;
    if (!frame_ended_ && stuck) return section_.Damaged(consumed_, "the frame ends early");
  }
  if (frame_ended_ && consumed_ < section_.bytes.size())
    return section_.Damaged(consumed_, "bytes after the frame");
  return absl::OkStatus();
}

absl::Status FrameReader::Read(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const absl::StatusOr<bool> at_end = AtEnd();
    if (!at_end.ok()) return at_end.status();
    if (*at_end) {
      return section_.Damaged(consumed_, absl::StrCat("ends ", bytes.size(), " bytes early"));
    }
    const size_t taken = std::min(bytes.size(), end_ - begin_);
    std::memcpy(bytes.data(), buffer_.data() + begin_, taken);
    begin_ += taken;
    bytes = bytes.subspan(taken);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FrameReader::AtEnd() {
  if (begin_ < end_) return false;
  if (absl::Status status = Fill(); !status.ok()) return status;
  return begin_ == end_;
}

absl::Status FrameReader::ExpectEnd() {
  const absl::StatusOr<bool> at_end = AtEnd();
  if (!at_end.ok()) return at_end.status();
  return *at_end ? absl::OkStatus()
                 : section_.Damaged(consumed_, "holds more than the result needs");
}

absl::Status WriteSlots(std::span<const uint32_t> slots, uint32_t type, SectionWriter& out) {
  FrameWriter frame(out, type);
  uint64_t next = 0;
  for (const uint32_t slot : slots) {
    std::byte bytes[5];
    size_t count = 0;
    uint64_t gap = slot - next;
    for (; gap >= 0x80; gap >>= 7) bytes[count++] = static_cast<std::byte>((gap & 0x7f) | 0x80);
    bytes[count++] = static_cast<std::byte>(gap);
    frame.Append(std::span(bytes).first(count));
    next = uint64_t{slot} + 1;
  }
  return frame.End();
}

absl::StatusOr<std::optional<uint32_t>> SlotReader::Next() {
  const absl::StatusOr<bool> at_end = frame_.AtEnd();
  if (!at_end.ok()) return at_end.status();
  if (*at_end) return std::nullopt;
  uint64_t gap = 0;
  for (unsigned shift = 0;; shift += 7) {
    std::byte byte{};
    if (absl::Status status = frame_.Read({&byte, 1}); !status.ok()) return status;
    gap |= std::to_integer<uint64_t>(byte & std::byte{0x7f}) << shift;
    if ((byte & std::byte{0x80}) == std::byte{0}) break;
    if (shift == kMaxShift) return section_.Damaged(0, "a gap of more than 5 bytes");
  }
  const uint64_t slot = next_ + gap;
  if (slot >= slots_count_)
    return section_.Damaged(0, absl::StrCat("slot ", slot, " of ", slots_count_));
  next_ = slot + 1;
  return static_cast<uint32_t>(slot);
}

}  // namespace fmserve::model
