// A delta and its base -> the result, section by section. Internal to model/.
#ifndef FMSERVE_MODEL_DELTA_APPLY_H_
#define FMSERVE_MODEL_DELTA_APPLY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/delta_frame.h"
#include "model/delta_layout.h"
#include "model/section_table.h"
#include "model/weight_delta.h"

namespace fmserve::model {

// Slots, counts or names that are worked on between two checkpoints.
inline constexpr uint64_t kSlotsPerStep = 512;

// What every complaint about a delta begins with.
inline absl::Status Lies(const std::string& what) {
  return absl::DataLossError(absl::StrCat("the delta: ", what));
}

// Once, one thread. Everything outlives it.
class DeltaApplication {
 public:
  DeltaApplication(const DeltaInfo& info, const std::vector<Section>& sections,
                   const WeightFile& base, DeltaFile::Sink sink, Checkpoint checkpoint)
      : info_(info),
        sections_(sections),
        base_(base),
        sink_(sink),
        checkpoint_(checkpoint),
        whole_(At(format::DeltaSection::kWhole)) {}

  absl::Status Run(uint64_t max_bytes);

 private:
  const Section& At(format::DeltaSection type) const {
    return *FindSection(sections_, static_cast<uint32_t>(type));
  }

  absl::Status ReadImage(uint64_t max_bytes);
  absl::Status CheckEntries() const;
  absl::Status WriteSection(const format::SectionEntry& entry, format::DeltaSource source);
  absl::Status CopyFromBase(const format::SectionEntry& entry);
  absl::Status CopyWhole(const format::SectionEntry& entry);
  absl::Status FindOrigins();
  absl::Status WriteRows();
  absl::Status WriteCounts(const format::SectionEntry& entry);
  absl::Status WriteNames(const format::SectionEntry& entry);
  absl::Status WriteNameEnds(uint64_t records_bytes);
  absl::Status WriteRecords();
  absl::Status Give(std::span<const std::byte> bytes);

  const DeltaInfo& info_;
  const std::vector<Section>& sections_;
  const WeightFile& base_;
  const DeltaFile::Sink sink_;
  const Checkpoint checkpoint_;
  FrameReader whole_;  // read on from section to section
  format::FileHeader header_ = {};
  std::vector<format::SectionEntry> entries_;
  std::vector<format::DeltaSource> sources_;
  std::vector<uint16_t> pilots_;  // of the result, once its dictionary has been written
  RowOrigins origins_;
  uint64_t given_bytes_ = 0;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_DELTA_APPLY_H_
