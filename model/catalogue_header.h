// The header of a catalogue: checks that its reader and its writer share. Internal to model/.
#ifndef FMSERVE_MODEL_CATALOGUE_HEADER_H_
#define FMSERVE_MODEL_CATALOGUE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/catalogue_format.h"
#include "model/file_envelope.h"

namespace fmserve::model {

static_assert(kHasEnvelope<format::CatalogueHeader>);

// "schema", "ids" ..., "unknown" for types of other versions.
const char* CatalogueSectionName(uint32_t type);

inline constexpr FileKind kCatalogueKind = {.name = "catalogue",
                                            .magic = format::kCatalogueMagic,
                                            .format_major = format::kCatalogueMajor,
                                            .format_minor = format::kCatalogueMinor,
                                            .section_name = CatalogueSectionName};

// The fields that describe the catalogue. InvalidArgument names the offset.
absl::Status CheckCatalogueFields(const format::CatalogueHeader& header);

// The header of the catalogue that `image` begins with, as ReadHeader of a weight file.
absl::StatusOr<format::CatalogueHeader> ReadCatalogueHeader(std::span<const std::byte> image);

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_CATALOGUE_HEADER_H_
