#include "trainer/prune.h"

#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"
#include "trainer/rewrite.h"

namespace fmserve::trainer {
namespace {

// The key of a line "field<TAB>value", whose field is added to the list.
absl::StatusOr<uint64_t> KeyOfLine(std::string_view line, const model::FeatureSchema& schema,
                                   KeepList& list) {
  const size_t tab = line.find('\t');
  if (tab == std::string_view::npos)
    return absl::InvalidArgumentError("not a field, a tab and a value");
  const std::string_view name = line.substr(0, tab);
  const std::string_view value = line.substr(tab + 1);
  const std::optional<size_t> field = schema.Find(name);
  if (!field)
    return absl::InvalidArgumentError(absl::StrCat("the model has no field ", model::Quote(name)));
  if (!model::HasValues(schema.field(*field))) {
    return absl::InvalidArgumentError(
        absl::StrCat("field ", model::Quote(name), " is of numbers; none of them is ever dropped"));
  }
  if (value.empty() || value.size() > model::kMaxValueBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a value of ", value.size(), " bytes, not 1 to ", model::kMaxValueBytes));
  }
  list.fields[*field] = true;
  if (schema.field(*field).value_type == model::ValueType::kString)
    return model::ValueKey(schema.seed(*field), value);
  const std::optional<int64_t> integer = model::ParseInteger(value);
  if (integer) return model::ValueKey(schema.seed(*field), *integer);
  return absl::InvalidArgumentError(absl::StrCat("field ", model::Quote(name), " is of integers, ",
                                                 model::Quote(value), " is none"));
}

}  // namespace

absl::StatusOr<KeepList> ReadKeepList(const std::string& path, const model::FeatureSchema& schema) {
  absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
  if (!input.ok()) return input.status();
  LineReader reader(path, *std::move(input));
  KeepList list{.fields = std::vector<bool>(schema.size()), .keys = {}};
  std::span<char> line;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (line.empty()) continue;
    const absl::StatusOr<uint64_t> key = KeyOfLine({line.data(), line.size()}, schema, list);
    if (!key.ok()) {
      return absl::Status(key.status().code(),
                          absl::StrCat(reader.Where(), ": ", key.status().message()));
    }
    list.keys.insert(*key);
  }
  if (!list.keys.empty()) return list;
  return absl::InvalidArgumentError(absl::StrCat(path, ": lists nothing to keep"));
}

absl::StatusOr<std::unique_ptr<PrunedRows>> PrunedRows::Create(
    std::shared_ptr<const model::WeightFile> file, PruneOptions options) {
  if (!HasNames(*file)) {
    return absl::InvalidArgumentError(
        "the file carries no names, which tell the field of a row; train it without --no-names "
        "and prune with --no-names");
  }
  if (options.min_count > 0 && !file->counts()) {
    return absl::InvalidArgumentError(
        "the file does not say how many training rows its features had; train it with a newer fm");
  }
  return std::unique_ptr<PrunedRows>(new PrunedRows(std::move(file), std::move(options)));
}

PrunedRows::PrunedRows(std::shared_ptr<const model::WeightFile> file, PruneOptions options)
    : rows_(std::move(file)), options_(std::move(options)) {
  const model::FeatureSchema& schema = rows_.file().schema();
  rare_rows_.resize(schema.size());
  for (size_t field = 0; field < schema.size(); ++field) {
    FeatureRow& rare = rare_rows_[field];
    if (!rows_.Find(schema.rare_key(field), rare)) rare.v.resize(rows_.file().info().k);
  }
}

double PrunedRows::DistanceToPlaceholder(const FeatureRow& row) const {
  const FeatureRow& rare = rare_rows_[row.name->field];
  double squares = (double{row.w} - rare.w) * (double{row.w} - rare.w);
  for (size_t f = 0; f < row.v.size(); ++f) {
    const double difference = double{row.v[f]} - rare.v[f];
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

PrunedRows::Reason PrunedRows::WhyDropped(const FeatureRow& row) const {
  const model::FeatureSchema& schema = rows_.file().schema();
  const size_t field = row.name->field;
  const bool is_value = model::HasValues(schema.field(field)) &&
                        row.key != schema.missing_key(field) && row.key != schema.rare_key(field);
  if (!is_value) return Reason::kNone;
  if (row.count < options_.min_count) return Reason::kCount;
  if (options_.keep && options_.keep->fields[field] && !options_.keep->keys.contains(row.key))
    return Reason::kList;
  if (options_.min_norm > 0.0 && DistanceToPlaceholder(row) < options_.min_norm)
    return Reason::kNorm;
  return Reason::kNone;
}

absl::Status PrunedRows::ForEach(Visit visit) const {
  return rows_.ForEach([&](const FeatureRow& row) {
    return WhyDropped(row) == Reason::kNone ? visit(row) : absl::OkStatus();
  });
}

bool PrunedRows::Find(uint64_t key, FeatureRow& row) const {
  return rows_.Find(key, row) && WhyDropped(row) == Reason::kNone;
}

std::vector<PrunedField> PrunedRows::CountByField() const {
  std::vector<PrunedField> fields(rare_rows_.size());
  // Nothing below returns an error.
  (void)rows_.ForEach([&](const FeatureRow& row) {
    PrunedField& field = fields[row.name->field];
    switch (WhyDropped(row)) {
      case Reason::kNone:
        ++field.kept;
        break;
      case Reason::kCount:
        ++field.under_count;
        break;
      case Reason::kNorm:
        ++field.under_norm;
        break;
      case Reason::kList:
        ++field.not_in_list;
        break;
    }
    return absl::OkStatus();
  });
  return fields;
}

}  // namespace fmserve::trainer
