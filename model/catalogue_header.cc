#include "model/catalogue_header.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/item_ids.h"

namespace fmserve::model {
namespace {

using format::CatalogueHeader;
using format::CatalogueSection;

bool AllZeroBytes(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

// A newer minor version may give reserved bytes a meaning that older readers may ignore.
absl::Status CheckReservedBytes(const CatalogueHeader& header) {
  if (header.format_minor > format::kCatalogueMinor) return absl::OkStatus();
  if (!AllZeroBytes(header.reserved_before)) {
    return HeaderProblem(offsetof(CatalogueHeader, reserved_before), "reserved bytes are not zero");
  }
  if (!AllZeroBytes(header.reserved)) {
    return HeaderProblem(offsetof(CatalogueHeader, reserved), "reserved bytes are not zero");
  }
  return absl::OkStatus();
}

}  // namespace

const char* CatalogueSectionName(uint32_t type) {
  switch (CatalogueSection{type}) {
    case CatalogueSection::kSchema:
      return "schema";
    case CatalogueSection::kIds:
      return "ids";
    case CatalogueSection::kFeatures:
      return "features";
    case CatalogueSection::kAttributes:
      return "attributes";
    case CatalogueSection::kAttributeValues:
      return "attribute_values";
    case CatalogueSection::kBids:
      return "bids";
    case CatalogueSection::kMetadata:
      return "metadata";
  }
  return "unknown";
}

absl::Status CheckCatalogueFields(const CatalogueHeader& header) {
  if (absl::Status status = CheckNameField(header.model_name); !status.ok()) return status;
  if (header.id_type > static_cast<uint8_t>(IdType::kString)) {
    return HeaderProblem(offsetof(CatalogueHeader, id_type),
                         absl::StrCat("unknown type of ids ", header.id_type));
  }
  if (header.items_count > format::kMaxItems) {
    return HeaderProblem(
        offsetof(CatalogueHeader, items_count),
        absl::StrCat(header.items_count, " items, at most ", format::kMaxItems, " are allowed"));
  }
  if (header.attributes_count > format::kMaxAttributes) {
    return HeaderProblem(offsetof(CatalogueHeader, attributes_count),
                         absl::StrCat(header.attributes_count, " attributes, at most ",
                                      format::kMaxAttributes, " are allowed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<CatalogueHeader> ReadCatalogueHeader(std::span<const std::byte> image) {
  if (absl::Status status = CheckEnvelope(image, kCatalogueKind); !status.ok()) return status;
  CatalogueHeader header;
  std::memcpy(&header, image.data(), sizeof(header));
  for (const auto check : {CheckReservedBytes, CheckCatalogueFields}) {
    if (absl::Status status = check(header); !status.ok())
      return absl::DataLossError(status.message());
  }
  return header;
}

}  // namespace fmserve::model
