#include "tools/libfm_text.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text.h"
#include "model/weight_format.h"
#include "trainer/value_text.h"

namespace fmserve::tools {
namespace {

// Nobody wants a file of zeros: at most so many ids per feature.
constexpr uint64_t kMaxIdsPerFeature = 16;

// The key of the feature with each id; kEmptyKey for none.
using Keys = std::vector<uint64_t>;

absl::Status NeedsMap(std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(reason),
                   ", and libFM knows features by numbers: name a file for them with --map"));
}

absl::StatusOr<Keys> KeysInOrder(const trainer::FileRows& rows) {
  Keys keys;
  const absl::Status status = rows.ForEach([&](const trainer::FeatureRow& row) {
    keys.push_back(row.key);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return keys;
}

absl::StatusOr<Keys> KeysByValue(const trainer::FileRows& rows) {
  const model::FeatureSchema& schema = rows.file().schema();
  if (schema.size() != 1 || !model::HasValues(schema.field(0)) ||
      schema.field(0).value_type != model::ValueType::kInteger) {
    return NeedsMap("the model has other fields than one of integers");
  }
  const uint64_t max_ids = rows.file().info().rows_count * kMaxIdsPerFeature;
  Keys keys;
  const absl::Status status = rows.ForEach([&](const trainer::FeatureRow& row) {
    const std::optional<int64_t> id = model::ParseInteger(row.name->value);
    if (!id || *id < 0 || static_cast<uint64_t>(*id) >= max_ids) {
      return NeedsMap(absl::StrCat("the feature ", model::Quote(row.name->value),
                                   " is not an id from 0 to ", max_ids - 1));
    }
    const auto index = static_cast<size_t>(*id);
    if (index >= keys.size()) keys.resize(index + 1, model::format::kEmptyKey);
    keys[index] = row.key;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return keys;
}

absl::Status Close(std::ofstream& out, const std::string& path) {
  out.close();
  return out ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

absl::Status WriteModel(const trainer::FileRows& rows, const Keys& keys, const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  trainer::FeatureRow row;
  const auto find = [&](uint64_t key) {
    if (key != model::format::kEmptyKey && rows.Find(key, row)) return;
    row.w = 0.0F;
    row.v.assign(rows.file().info().k, 0.0F);
  };
  out << absl::StrFormat("#global bias W0\n%.17g\n#unary interactions Wj\n", rows.w0());
  for (const uint64_t key : keys) {
    find(key);
    out << absl::StrFormat("%.9g\n", row.w);
  }
  out << "#pairwise interactions Vj,f\n";
  for (const uint64_t key : keys) {
    find(key);
    for (size_t f = 0; f < row.v.size(); ++f) {
      out << absl::StrFormat("%s%.9g", f > 0 ? " " : "", row.v[f]);
    }
    out << '\n';
  }
  return Close(out, path);
}

absl::Status WriteMap(const trainer::FileRows& rows, const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  uint64_t id = 0;
  const absl::Status status = rows.ForEach([&](const trainer::FeatureRow& row) {
    out << id++ << '\t' << rows.file().schema().field(row.name->field).name << '\t'
        << trainer::EscapeCell(row.name->value) << '\n';
    return absl::OkStatus();
  });
  return status.ok() ? Close(out, path) : status;
}

}  // namespace

absl::Status ExportLibfm(const trainer::FileRows& rows, const std::string& path,
                         const std::string& map_path) {
  if (rows.field_matrix()) {
    return absl::InvalidArgumentError(
        "libFM has no field-weighted models; export the model with --format tsv or npz");
  }
  const absl::StatusOr<Keys> keys = map_path.empty() ? KeysByValue(rows) : KeysInOrder(rows);
  if (!keys.ok()) return keys.status();
  if (!map_path.empty()) {
    if (absl::Status status = WriteMap(rows, map_path); !status.ok()) return status;
  }
  return WriteModel(rows, *keys, path);
}

}  // namespace fmserve::tools
