// Writes the sections of a file one after the other, hashing on the way. Internal to model/.
#ifndef FMSERVE_MODEL_SECTION_WRITER_H_
#define FMSERVE_MODEL_SECTION_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "model/atomic_file.h"
#include "model/checksum.h"
#include "model/file_envelope.h"

namespace fmserve::model {

// One thread. The first failure to write sticks and shows in Finish; what follows it is not
// written.
class SectionWriter {
 public:
  // Leaves room for the header and the table of `sections_count` sections. `file` must outlive the
  // writer.
  SectionWriter(AtomicFile& file, uint32_t sections_count);

  void Begin(uint32_t type, uint32_t flags);
  void Append(std::span<const std::byte> bytes);
  void Append(std::string_view bytes) { Append(std::as_bytes(std::span(bytes))); }
  void End();

  // Begin, Append, End.
  void Write(uint32_t type, uint32_t flags, std::span<const std::byte> bytes);

  // Completes the header with the kind's magic and version, sizes, table and checksum, and writes
  // it. After as many sections as were announced.
  absl::Status Finish(const FileKind& kind, FileEnvelope header);

 private:
  AtomicFile& file_;
  Hasher hasher_;
  std::vector<format::SectionEntry> sections_;
  absl::Status status_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_SECTION_WRITER_H_
