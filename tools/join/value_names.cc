#include "tools/join/value_names.h"

#include <bit>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"

namespace fmserve::tools {
namespace {

absl::StatusOr<std::pair<uint64_t, std::string>> ParseLine(const model::FeatureSchema& schema,
                                                           std::string_view value) {
  const std::string_view name = model::TakeUntil('\t', value);
  const std::optional<size_t> field = schema.Find(name);
  if (!field.has_value() || !HasValues(schema.field(*field))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the schema has no field ", model::Quote(name), " with values"));
  }
  if (schema.field(*field).value_type == model::ValueType::kString)
    return std::pair(model::ValueKey(schema.seed(*field), value), std::string(value));
  const std::optional<int64_t> integer = model::ParseInteger(value);
  if (integer.has_value())
    return std::pair(model::ValueKey(schema.seed(*field), *integer), absl::StrCat(*integer));
  return absl::InvalidArgumentError(absl::StrCat(model::Quote(value), " is no decimal int64"));
}

}  // namespace

absl::Status ValueNames::AddWeights(const std::string& path) {
  absl::StatusOr<std::shared_ptr<const model::WeightFile>> file = model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  bool has_names = false;
  for (uint64_t slot = 0; slot < (*file)->info().slots_count && !has_names; ++slot)
    has_names = (*file)->name(static_cast<uint32_t>(slot)).has_value();
  if (!has_names) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": names no values; it was made with --no-names"));
  }
  files_.push_back(*std::move(file));
  return absl::OkStatus();
}

absl::Status ValueNames::AddTable(const std::string& path) {
  absl::StatusOr<std::unique_ptr<trainer::InputStream>> input = trainer::InputStream::Open(path);
  if (!input.ok()) return input.status();
  trainer::LineReader reader(path, *std::move(input));
  std::span<char> line;
  for (;;) {
    const absl::StatusOr<bool> more = reader.Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (line.empty()) continue;
    auto named = ParseLine(schema_, {line.data(), line.size()});
    if (!named.ok()) {
      return absl::Status(
          named.status().code(),
          absl::StrCat(reader.Where(), ": ", std::string(named.status().message())));
    }
    values_.insert(*std::move(named));
  }
}

std::optional<std::string_view> ValueNames::FindName(size_t field, uint64_t key) const {
  for (const auto& file : files_) {
    const uint32_t slot = file->dictionary().Find(key);
    if (slot == model::kNoSlot) continue;
    const std::optional<model::FeatureName> name = file->name(slot);
    if (name.has_value() && file->schema().field(name->field).name == schema_.field(field).name)
      return name->value;
  }
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::string ValueNames::Find(size_t field, uint64_t key) {
  if (const auto name = FindName(field, key); name.has_value()) return std::string(*name);
  ++unnamed_;
  if (schema_.field(field).value_type == model::ValueType::kInteger)
    return absl::StrCat(std::bit_cast<int64_t>(key));
  return absl::StrFormat("key:%016x", key);
}

}  // namespace fmserve::tools
