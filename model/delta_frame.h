// The compressed parts of a weight delta: frames of Zstandard, and ascending slots in them.
// Internal to model/.
#ifndef FMSERVE_MODEL_DELTA_FRAME_H_
#define FMSERVE_MODEL_DELTA_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/section_table.h"
#include "model/section_writer.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace fmserve::model {

// Writes one section as a frame. One thread.
class FrameWriter {
 public:
  // Begins the section.
  FrameWriter(SectionWriter& out, uint32_t type);

  void Append(std::span<const std::byte> bytes);

  // Ends frame and section. Internal when Zstandard failed on the way (out of memory).
  absl::Status End();

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  void Compress(std::span<const std::byte> bytes, bool end);

  SectionWriter& out_;
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<std::byte> buffer_;
  absl::Status status_;
};

// Reads a frame of a section that the file holds; trusts nothing. DataLoss names the section. Takes
// memory for the window of the frame (8 MiB at most) and a buffer. One thread.
class FrameReader {
 public:
  // The section must outlive the reader.
  explicit FrameReader(const Section& section);

  // Fills `bytes`, or fails when the frame ends before.
  absl::Status Read(std::span<std::byte> bytes);

  // Whether nothing is left.
  absl::StatusOr<bool> AtEnd();
  absl::Status ExpectEnd();

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  absl::Status Fill();  // buffer_ with something, unless the frame is at its end

  const Section& section_;
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  size_t consumed_ = 0;  // of the section
  bool frame_ended_ = false;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Writes ascending slots as a section of gaps.
absl::Status WriteSlots(std::span<const uint32_t> slots, uint32_t type, SectionWriter& out);

// Reads them back.
class SlotReader {
 public:
  SlotReader(const Section& section, uint64_t slots_count)
      : section_(section), frame_(section), slots_count_(slots_count) {}

  // The next slot, nothing at the end. DataLoss: not below slots_count.
  absl::StatusOr<std::optional<uint32_t>> Next();

 private:
  const Section& section_;
  FrameReader frame_;
  const uint64_t slots_count_;
  uint64_t next_ = 0;  // the smallest slot that may come
};

// Walks through ascending slots of a section beside a loop over all slots.
class SlotCursor {
 public:
  SlotCursor(const Section& section, uint64_t slots_count) : reader_(section, slots_count) {}

  // Whether `slot`, which only grows, is the next one; then goes on.
  absl::StatusOr<bool> Take(uint64_t slot) {
    if (!started_ || (next_ && *next_ < slot)) {
      absl::StatusOr<std::optional<uint32_t>> next = reader_.Next();
      if (!next.ok()) return next.status();
      next_ = *next;
      started_ = true;
    }
    return next_ && *next_ == slot;
  }

 private:
  SlotReader reader_;
  bool started_ = false;
  std::optional<uint32_t> next_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_DELTA_FRAME_H_
