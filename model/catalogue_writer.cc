#include "model/catalogue_writer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/atomic_file.h"
#include "model/attribute_table.h"
#include "model/byte_codec.h"
#include "model/catalogue_header.h"
#include "model/section_writer.h"
#include "model/text.h"

namespace fmserve::model {
namespace {

using format::CatalogueHeader;
using format::CatalogueSection;

void BeginSection(CatalogueSection type, uint32_t flags, SectionWriter& out) {
  out.Begin(static_cast<uint32_t>(type), flags);
}

void WriteText(CatalogueSection type, uint32_t flags, std::string_view text, SectionWriter& out) {
  out.Write(static_cast<uint32_t>(type), flags, std::as_bytes(std::span(text)));
}

template <typename T>
void Append(std::span<const T> numbers, SectionWriter& out) {
  out.Append(std::as_bytes(numbers));
}

// Appends where the part of each item ends, when the parts lie in `order`.
template <typename T>
void AppendEnds(std::span<const T> ends, std::span<const uint32_t> order, SectionWriter& out) {
  T end = 0;
  for (const uint32_t item : order) {
    end += ends[item] - (item == 0 ? 0 : ends[item - 1]);
    Append(std::span<const T>(&end, 1), out);
  }
}

// The part of each item in `order`.
template <typename T, typename End>
void AppendParts(std::span<const T> column, std::span<const End> ends,
                 std::span<const uint32_t> order, SectionWriter& out) {
  for (const uint32_t item : order) {
    const End begin = item == 0 ? 0 : ends[item - 1];
    Append(column.subspan(begin, ends[item] - begin), out);
  }
}

absl::Status CheckFeatureColumns(const FeatureSchema& schema, FeatureSpan features) {
  if (features.size() > format::kMaxItemFeatures) {
    return absl::InvalidArgumentError(absl::StrCat(features.size(), " features, at most ",
                                                   format::kMaxItemFeatures, " are allowed"));
  }
  for (size_t i = 0; i < features.size(); ++i) {
    const uint8_t field = features.fields[i];
    if (features.keys[i] == format::kEmptyKey)
      return absl::InvalidArgumentError(absl::StrCat("feature ", i, ": its key is 0"));
    if (!std::isfinite(features.xs[i]))
      return absl::InvalidArgumentError(absl::StrCat("feature ", i, ": its x is not finite"));
    if (field >= schema.size() || !schema.fields_of(Side::kItem).Contains(field)) {
      return absl::InvalidArgumentError(
          absl::StrCat("feature ", i, ": field ", field, " is not one of the item side"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTextId(std::string_view id) {
  if (!id.empty() && id.size() <= format::kMaxIdBytes && IsUtf8(id)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the id ", Quote(id), " is not 1 to ", format::kMaxIdBytes, " bytes of UTF-8"));
}

}  // namespace

CatalogueWriter::CatalogueWriter(CatalogueOptions options)
    : options_(std::move(options)), columns_(options_.attributes.size()) {}

absl::Status CatalogueWriter::CheckItem(const CatalogueItem& item) const {
  if (ids_.size() >= format::kMaxItems) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than the ", format::kMaxItems, " items allowed"));
  }
  if (options_.id_type == IdType::kString) {
    if (absl::Status status = CheckTextId(item.text_id); !status.ok()) return status;
  }
  if (absl::Status status = CheckFeatureColumns(options_.schema, item.features); !status.ok())
    return status;
  if (item.values.size() != columns_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "values of ", item.values.size(), " attributes, the catalogue has ", columns_.size()));
  }
  for (size_t a = 0; a < columns_.size(); ++a) {
    if (columns_[a].entries.size() + item.values[a].size() > std::numeric_limits<uint32_t>::max())
      return absl::InvalidArgumentError("an attribute has more than 2^32 - 1 values in all");
    for (const std::string_view value : item.values[a]) {
      if (absl::Status status = CheckAttributeValue(value); !status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("attribute ", Quote(options_.attributes[a]), ": ", status.message()));
      }
    }
  }
  if (options_.with_bids && (!std::isfinite(item.bid) || item.bid < 0.0F))
    return absl::InvalidArgumentError("the bid is negative or not finite");
  return absl::OkStatus();
}

absl::Status CatalogueWriter::Add(const CatalogueItem& item) {
  if (absl::Status status = CheckItem(item); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("item ", ids_.size(), ": ", status.message()));
  }
  if (options_.id_type == IdType::kString) {
    text_ids_.append(item.text_id);
    ids_.push_back(text_ids_.size());
  } else {
    ids_.push_back(item.id);
  }
  for (size_t i = 0; i < item.features.size(); ++i)
    features_.Add(item.features.keys[i], item.features.xs[i], item.features.fields[i]);
  feature_ends_.push_back(features_.size());
  for (size_t a = 0; a < columns_.size(); ++a) {
    Column& column = columns_[a];
    const auto begin = static_cast<ptrdiff_t>(column.entries.size());
    for (const std::string_view value : item.values[a]) {
      const auto number = static_cast<uint32_t>(column.numbers.size());
      column.entries.push_back(
          column.numbers.try_emplace(std::string(value), number).first->second);
    }
    std::sort(column.entries.begin() + begin, column.entries.end());
    column.entries.erase(std::unique(column.entries.begin() + begin, column.entries.end()),
                         column.entries.end());
    column.ends.push_back(static_cast<uint32_t>(column.entries.size()));
  }
  if (options_.with_bids) bids_.push_back(item.bid);
  return absl::OkStatus();
}

std::string_view CatalogueWriter::text_id(uint32_t item) const {
  const uint64_t begin = item == 0 ? 0 : ids_[item - 1];
  return std::string_view(text_ids_).substr(begin, ids_[item] - begin);
}

absl::StatusOr<std::vector<uint32_t>> CatalogueWriter::ItemsById() const {
  const bool strings = options_.id_type == IdType::kString;
  const auto less = [&](uint32_t a, uint32_t b) {
    return strings ? text_id(a) < text_id(b) : ids_[a] < ids_[b];
  };
  std::vector<uint32_t> order(ids_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), less);
  for (size_t i = 1; i < order.size(); ++i) {
    if (less(order[i - 1], order[i])) continue;
    const std::string id = strings ? Quote(text_id(order[i])) : absl::StrCat(ids_[order[i]]);
    return absl::InvalidArgumentError(absl::StrCat("two items have the id ", id));
  }
  return order;
}

absl::Status CatalogueWriter::CheckOptions() const {
  if (absl::Status status = CheckModelName(options_.model_name); !status.ok()) return status;
  if (auto parsed = FeatureSchema::Parse(options_.schema.Serialize()); !parsed.ok())
    return absl::InvalidArgumentError(absl::StrCat("schema: ", parsed.status().message()));
  if (auto parsed = ParseMetadata(SerializeMetadata(options_.metadata)); !parsed.ok())
    return absl::InvalidArgumentError(absl::StrCat("metadata: ", parsed.status().message()));
  for (size_t a = 0; a < columns_.size(); ++a) {
    const std::string& name = options_.attributes[a];
    if (absl::Status status = CheckAttributeName(name); !status.ok()) return status;
    if (std::count(options_.attributes.begin(), options_.attributes.end(), name) > 1)
      return absl::InvalidArgumentError(absl::StrCat("two attributes are named ", Quote(name)));
    if (columns_[a].numbers.size() > format::kMaxAttributeValues) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute ", Quote(name), " has ", columns_[a].numbers.size(),
                       " different values, at most ", format::kMaxAttributeValues, " are allowed"));
    }
  }
  return absl::OkStatus();
}

CatalogueHeader CatalogueWriter::MakeHeader() const {
  CatalogueHeader header = {};
  header.version = options_.version;
  header.created_unix_us = options_.created_unix_us;
  SetModelName(options_.model_name, header.model_name);
  header.id_type = static_cast<uint8_t>(options_.id_type);
  header.items_count = ids_.size();
  header.features_count = features_.size();
  header.attributes_count = static_cast<uint32_t>(columns_.size());
  return header;
}

void CatalogueWriter::WriteIds(std::span<const uint32_t> order, SectionWriter& out) const {
  BeginSection(CatalogueSection::kIds, format::kSectionRequired, out);
  if (options_.id_type == IdType::kString) {
    AppendEnds(std::span<const uint64_t>(ids_), order, out);
    for (const uint32_t item : order) out.Append(text_id(item));
  } else {
    for (const uint32_t item : order) Append(std::span<const uint64_t>(&ids_[item], 1), out);
  }
  out.End();
}

void CatalogueWriter::WriteFeatures(std::span<const uint32_t> order, SectionWriter& out) const {
  const std::span<const uint64_t> ends(feature_ends_);
  BeginSection(CatalogueSection::kFeatures, format::kSectionRequired, out);
  AppendEnds(ends, order, out);
  AppendParts(std::span<const uint64_t>(features_.keys), ends, order, out);
  AppendParts(std::span<const float>(features_.xs), ends, order, out);
  AppendParts(std::span<const uint8_t>(features_.fields), ends, order, out);
  out.End();
}

void CatalogueWriter::WriteAttributes(std::span<const uint32_t> order, SectionWriter& out) const {
  ByteWriter names;
  std::vector<std::vector<uint32_t>> ranks;  // per attribute: from a value's number to its rank
  for (size_t a = 0; a < columns_.size(); ++a) {
    std::vector<std::pair<std::string_view, uint32_t>> values(columns_[a].numbers.begin(),
                                                              columns_[a].numbers.end());
    std::sort(values.begin(), values.end());
    names.WriteString(options_.attributes[a]);
    names.Write(static_cast<uint32_t>(columns_[a].entries.size()));
    names.Write(static_cast<uint32_t>(values.size()));
    std::vector<uint32_t>& rank = ranks.emplace_back(values.size());
    for (uint32_t i = 0; i < values.size(); ++i) {
      names.WriteString(values[i].first);
      rank[values[i].second] = i;
    }
  }
  WriteText(CatalogueSection::kAttributes, format::kSectionRequired, std::move(names).Take(), out);

  BeginSection(CatalogueSection::kAttributeValues, format::kSectionRequired, out);
  std::vector<uint32_t> part;
  for (size_t a = 0; a < columns_.size(); ++a) {
    const std::vector<uint32_t>& ends = columns_[a].ends;
    AppendEnds(std::span<const uint32_t>(ends), order, out);
    for (const uint32_t item : order) {
      part.clear();
      for (uint32_t i = item == 0 ? 0 : ends[item - 1]; i < ends[item]; ++i)
        part.push_back(ranks[a][columns_[a].entries[i]]);
      std::sort(part.begin(), part.end());
      Append(std::span<const uint32_t>(part), out);
    }
  }
  out.End();
}

absl::Status CatalogueWriter::Finish(const std::string& path) {
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  const CatalogueHeader header = MakeHeader();
  if (absl::Status status = CheckCatalogueFields(header); !status.ok()) return status;
  absl::StatusOr<std::vector<uint32_t>> order = ItemsById();
  if (!order.ok()) return order.status();

  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  SectionWriter out(*file, options_.with_bids ? 7 : 6);
  WriteText(CatalogueSection::kSchema, format::kSectionRequired, options_.schema.Serialize(), out);
  WriteText(CatalogueSection::kMetadata, 0, SerializeMetadata(options_.metadata), out);
  WriteIds(*order, out);
  WriteFeatures(*order, out);
  WriteAttributes(*order, out);
  if (options_.with_bids) {
    BeginSection(CatalogueSection::kBids, 0, out);
    for (const uint32_t item : *order) Append(std::span<const float>(&bids_[item], 1), out);
    out.End();
  }
  absl::Status status = out.Finish(kCatalogueKind, std::bit_cast<FileEnvelope>(header));
  return status.ok() ? file->Commit() : status;
}

}  // namespace fmserve::model
