#include "model/attribute_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/byte_codec.h"
#include "model/catalogue_format.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

constexpr size_t kItemsPerCheckpoint = kCheckpointBytes / 32;

// Name, two counts: what an attribute takes at least.
constexpr size_t kMinAttributeBytes = 3 * sizeof(uint32_t);

template <typename T>
absl::Status CheckEndsOf(std::span<const T> ends, uint64_t total, uint64_t max_per_item,
                         Checkpoint checkpoint) {
  T begin = 0;
  for (size_t item = 0; item < ends.size(); ++item) {
    if (item % kItemsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    if (ends[item] < begin || ends[item] - begin > max_per_item || ends[item] > total) {
      return absl::DataLossError(absl::StrCat("item ", item, ": its part ends at ", ends[item],
                                              ", not 0 to ", max_per_item, " after ", begin,
                                              " within the ", total, " there are"));
    }
    begin = ends[item];
  }
  if (begin != total)
    return absl::DataLossError(absl::StrCat("the items end at ", begin, " of ", total));
  return absl::OkStatus();
}

absl::Status CheckValues(const AttributeNames& names) {
  for (size_t i = 0; i < names.values.size(); ++i) {
    if (absl::Status status = CheckAttributeValue(names.values[i]); !status.ok()) return status;
    if (i > 0 && names.values[i - 1] >= names.values[i]) {
      return absl::InvalidArgumentError(
          absl::StrCat("value ", Quote(names.values[i]), " is not above the one before it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAttributeName(std::string_view name) {
  const auto printable = [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); };
  if (!name.empty() && name.size() <= format::kMaxAttributeNameBytes &&
      std::all_of(name.begin(), name.end(), printable)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("an attribute's name is ", Quote(name),
                                                 ", not 1 to ", format::kMaxAttributeNameBytes,
                                                 " printable ASCII characters"));
}

absl::Status CheckAttributeValue(std::string_view value) {
  if (!value.empty() && value.size() <= format::kMaxAttributeValueBytes && IsUtf8(value))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "value ", Quote(value), " is not 1 to ", format::kMaxAttributeValueBytes, " bytes of UTF-8"));
}

absl::StatusOr<std::vector<AttributeNames>> ParseAttributeNames(std::string_view bytes,
                                                                uint32_t attributes_count) {
  ByteReader reader(bytes);
  std::vector<AttributeNames> attributes;
  for (uint32_t i = 0; i < attributes_count && bytes.size() >= kMinAttributeBytes; ++i) {
    AttributeNames names;
    names.name = reader.ReadString(format::kMaxAttributeNameBytes);
    names.entries_count = reader.Read<uint32_t>();
    names.values.resize(reader.ReadCount(format::kMaxAttributeValues, sizeof(uint32_t)));
    for (std::string_view& value : names.values)
      value = reader.ReadString(format::kMaxAttributeValueBytes);
    if (!reader.ok()) break;
    const auto same_name = [&](const AttributeNames& other) { return other.name == names.name; };
    absl::Status status = CheckAttributeName(names.name);
    if (status.ok()) status = CheckValues(names);
    if (status.ok() && std::any_of(attributes.begin(), attributes.end(), same_name))
      status = absl::InvalidArgumentError("the name stands twice");
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute ", i, " ", Quote(names.name), ": ", status.message()));
    }
    attributes.push_back(std::move(names));
  }
  reader.ExpectEnd();
  if (!reader.ok()) return reader.status();
  if (attributes.size() != attributes_count) {
    return absl::DataLossError(
        absl::StrCat(bytes.size(), " bytes cannot hold ", attributes_count, " attributes"));
  }
  return attributes;
}

absl::Status CheckEnds(std::span<const uint64_t> ends, uint64_t total, uint64_t max_per_item,
                       Checkpoint checkpoint) {
  return CheckEndsOf(ends, total, max_per_item, checkpoint);
}

absl::Status CheckEnds(std::span<const uint32_t> ends, uint64_t total, uint64_t max_per_item,
                       Checkpoint checkpoint) {
  return CheckEndsOf(ends, total, max_per_item, checkpoint);
}

absl::Status CheckAttribute(const Attribute& attribute, Checkpoint checkpoint) {
  const auto in_attribute = [&](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("attribute ", Quote(attribute.name), ": ", status.message()));
  };
  const size_t values_count = attribute.values.size();
  if (absl::Status status =
          CheckEnds(attribute.ends, attribute.entries.size(), values_count, checkpoint);
      !status.ok()) {
    return in_attribute(status);
  }
  for (uint32_t item = 0; item < attribute.ends.size(); ++item) {
    if (item % kItemsPerCheckpoint == 0) {
      if (absl::Status status = checkpoint(); !status.ok()) return status;
    }
    const std::span<const uint32_t> values = attribute.of(item);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < values_count && (i == 0 || values[i - 1] < values[i])) continue;
      return in_attribute(absl::DataLossError(absl::StrCat(
          "item ", item, ": value ", values[i], " of ", values_count, " does not ascend")));
    }
  }
  return absl::OkStatus();
}

std::optional<uint32_t> Attribute::Find(std::string_view value) const {
  const auto found = std::lower_bound(values.begin(), values.end(), value);
  if (found == values.end() || *found != value) return std::nullopt;
  return static_cast<uint32_t>(found - values.begin());
}

}  // namespace fmserve::model
