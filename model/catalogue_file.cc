#include "model/catalogue_file.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/attribute_table.h"
#include "model/catalogue_header.h"
#include "model/section_table.h"

namespace fmserve::model {
namespace {

using format::CatalogueHeader;
using format::CatalogueSection;

constexpr uint64_t kBytesPerFeature = sizeof(uint64_t) + sizeof(float) + sizeof(uint8_t);
constexpr uint64_t kNumbersPerCheckpoint = kCheckpointBytes / 16;

// The first `count` numbers of `bytes`, and what lies behind them. Aligned, and within `bytes`.
template <typename T>
std::span<const T> Take(std::span<const std::byte>& bytes, uint64_t count) {
  const std::span<const T> taken(reinterpret_cast<const T*>(bytes.data()), count);
  bytes = bytes.subspan(count * sizeof(T));
  return taken;
}

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// Fills a CatalogueFile section by section, each checked before the next relies on it.
class CatalogueParser {
 public:
  CatalogueParser(CatalogueFile& out, Checkpoint checkpoint) : out_(out), checkpoint_(checkpoint) {}

  absl::Status Parse(std::span<const std::byte> bytes) {
    absl::StatusOr<CatalogueHeader> header = ReadCatalogueHeader(bytes);
    if (!header.ok()) return header.status();
    if (absl::Status status = CheckFileSize(header->file_size, bytes.size()); !status.ok())
      return status;
    absl::StatusOr<std::vector<Section>> sections =
        ReadSections(bytes, kCatalogueKind, checkpoint_);
    if (!sections.ok()) return sections.status();
    header_ = *header;
    sections_ = *std::move(sections);
    out_.info_ = {.format_major = header_.format_major,
                  .format_minor = header_.format_minor,
                  .model_name = header_.model_name,
                  .version = header_.version,
                  .created_unix_us = header_.created_unix_us,
                  .file_size = header_.file_size,
                  .items_count = header_.items_count,
                  .features_count = header_.features_count};
    struct SectionParser {
      CatalogueSection type;
      bool required;
      absl::Status (CatalogueParser::*parse)(const Section& section);
    };
    static constexpr SectionParser kParsers[] = {
        {CatalogueSection::kSchema, true, &CatalogueParser::ParseSchema},
        {CatalogueSection::kIds, true, &CatalogueParser::ParseIds},
        {CatalogueSection::kFeatures, true, &CatalogueParser::ParseFeatures},
        {CatalogueSection::kAttributes, true, &CatalogueParser::ParseAttributeTable},
        {CatalogueSection::kAttributeValues, true, &CatalogueParser::ParseAttributeValues},
        {CatalogueSection::kBids, false, &CatalogueParser::ParseBids},
        {CatalogueSection::kMetadata, false, &CatalogueParser::ParseDescription},
    };
    for (const auto& [type, required, parse] : kParsers) {
      const Section* const section = FindSection(sections_, static_cast<uint32_t>(type));
      if (section == nullptr) {
        if (!required) continue;
        return absl::DataLossError(absl::StrCat(
            "section ", CatalogueSectionName(static_cast<uint32_t>(type)), " is missing"));
      }
      absl::Status status = (this->*parse)(*section);
      if (absl::IsDataLoss(status) || absl::IsInvalidArgument(status))
        return section->Damaged(0, std::string(status.message()));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ParseSchema(const Section& section) {
    absl::StatusOr<FeatureSchema> schema = FeatureSchema::Parse(section.text());
    if (!schema.ok()) return schema.status();
    out_.schema_ = *std::move(schema);
    return absl::OkStatus();
  }

  absl::Status ParseIds(const Section& section) {
    std::span<const std::byte> bytes = section.bytes;
    const bool integers = header_.id_type == static_cast<uint8_t>(IdType::kInteger);
    const uint64_t words_bytes = header_.items_count * sizeof(uint64_t);
    if (bytes.size() < words_bytes || (integers && bytes.size() != words_bytes))
      return WrongSize(section, words_bytes);
    const auto words = Take<uint64_t>(bytes, header_.items_count);
    out_.ids_ = integers ? ItemIds(words) : ItemIds(words, TextOf(bytes));
    return out_.ids_.Check(checkpoint_);
  }

  absl::Status ParseFeatures(const Section& section) {
    std::span<const std::byte> bytes = section.bytes;
    const uint64_t ends_bytes = header_.items_count * sizeof(uint64_t);
    const uint64_t n = header_.features_count;
    // The division keeps the product from wrapping.
    if (bytes.size() < ends_bytes || n > (bytes.size() - ends_bytes) / kBytesPerFeature ||
        bytes.size() != ends_bytes + n * kBytesPerFeature) {
      return absl::DataLossError(absl::StrCat(bytes.size(), " bytes do not hold exactly ",
                                              header_.items_count, " items and ", n, " features"));
    }
    out_.features_bytes_ = bytes;
    out_.feature_ends_ = Take<uint64_t>(bytes, header_.items_count);
    out_.features_.keys = Take<uint64_t>(bytes, n);
    out_.features_.xs = Take<float>(bytes, n);
    out_.features_.fields = Take<uint8_t>(bytes, n);
    absl::Status status = CheckEnds(out_.feature_ends_, n, format::kMaxItemFeatures, checkpoint_);
    return status.ok() ? CheckFeatures() : status;
  }

  absl::Status CheckFeatures() {
    const FieldSet& allowed = out_.schema_.fields_of(Side::kItem);
    for (size_t i = 0; i < out_.features_.size(); ++i) {
      if (i % kNumbersPerCheckpoint == 0) {
        if (absl::Status status = checkpoint_(); !status.ok()) return status;
      }
      const char* problem = "";
      if (out_.features_.keys[i] == format::kEmptyKey) problem = "its key is 0";
      if (!std::isfinite(out_.features_.xs[i])) problem = "its x is not finite";
      const uint8_t field = out_.features_.fields[i];
      if (field >= out_.schema_.size() || !allowed.Contains(field))
        problem = "its field is not one of the item side";
      if (*problem != '\0') return absl::DataLossError(absl::StrCat("feature ", i, ": ", problem));
    }
    return absl::OkStatus();
  }

  absl::Status ParseAttributeTable(const Section& section) {
    absl::StatusOr<std::vector<AttributeNames>> names =
        ParseAttributeNames(section.text(), header_.attributes_count);
    if (!names.ok()) return names.status();
    attribute_names_ = *std::move(names);
    return absl::OkStatus();
  }

  absl::Status ParseAttributeValues(const Section& section) {
    uint64_t expected_bytes = 0;
    for (const AttributeNames& names : attribute_names_)
      expected_bytes += (header_.items_count + names.entries_count) * sizeof(uint32_t);
    if (section.bytes.size() != expected_bytes) return WrongSize(section, expected_bytes);
    std::span<const std::byte> bytes = section.bytes;
    for (AttributeNames& names : attribute_names_) {
      Attribute attribute;
      attribute.name = names.name;
      attribute.values = std::move(names.values);
      attribute.ends = Take<uint32_t>(bytes, header_.items_count);
      attribute.entries = Take<uint32_t>(bytes, names.entries_count);
      if (absl::Status status = CheckAttribute(attribute, checkpoint_); !status.ok()) return status;
      out_.attributes_.push_back(std::move(attribute));
    }
    return absl::OkStatus();
  }

  absl::Status ParseBids(const Section& section) {
    const uint64_t expected_bytes = header_.items_count * sizeof(float);
    if (section.bytes.size() != expected_bytes) return WrongSize(section, expected_bytes);
    std::span<const std::byte> bytes = section.bytes;
    out_.bids_ = Take<float>(bytes, header_.items_count);
    for (size_t item = 0; item < out_.bids_.size(); ++item) {
      if (item % kNumbersPerCheckpoint == 0) {
        if (absl::Status status = checkpoint_(); !status.ok()) return status;
      }
      if (!std::isfinite(out_.bids_[item]) || out_.bids_[item] < 0.0F) {
        return absl::DataLossError(
            absl::StrCat("item ", item, ": the bid is negative or not finite"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ParseDescription(const Section& section) {
    absl::StatusOr<Metadata> metadata = ParseMetadata(section.text());
    if (!metadata.ok()) return metadata.status();
    out_.metadata_ = *std::move(metadata);
    return absl::OkStatus();
  }

  static absl::Status WrongSize(const Section& section, uint64_t expected_bytes) {
    return absl::DataLossError(
        absl::StrCat(section.bytes.size(), " bytes, but its counts take ", expected_bytes));
  }

  CatalogueFile& out_;
  const Checkpoint checkpoint_;
  CatalogueHeader header_ = {};
  std::vector<Section> sections_;
  std::vector<AttributeNames> attribute_names_;
};

absl::StatusOr<std::shared_ptr<const CatalogueFile>> CatalogueFile::Open(const std::string& path,
                                                                         Checkpoint checkpoint) {
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(path);
  if (!mapping.ok()) return mapping.status();
  std::shared_ptr<CatalogueFile> file(new CatalogueFile);
  file->mapping_ = *std::move(mapping);
  const absl::Status status = CatalogueParser(*file, checkpoint).Parse(file->mapping_->bytes());
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  return file;
}

absl::StatusOr<std::shared_ptr<const CatalogueFile>> CatalogueFile::FromBytes(
    std::span<const std::byte> bytes) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % format::kSectionAlignment != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the bytes of a catalogue must be ",
                                                   format::kSectionAlignment, "-byte aligned"));
  }
  std::shared_ptr<CatalogueFile> file(new CatalogueFile);
  if (absl::Status status = CatalogueParser(*file, NeverStop).Parse(bytes); !status.ok())
    return status;
  return file;
}

std::vector<std::span<const std::byte>> CatalogueFile::serving_bytes() const {
  return {features_bytes_};
}

}  // namespace fmserve::model
