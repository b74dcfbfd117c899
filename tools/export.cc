// fm export: the parameters as a table or as NumPy arrays.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/quantization.h"
#include "model/weight_file.h"
#include "model/weight_format.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/npz.h"

namespace fmserve::tools {
namespace {

struct ExportArguments {
  std::string model;
  std::string format = "tsv";
  std::string out;
  bool json = false;
};

struct ExportRow {
  uint64_t key = 0;
  uint8_t field = 0;
  std::string value;
  float w = 0.0F;
  std::vector<float> v;
};

// Calls visit(row) for every feature, in the order of the file.
template <typename Visit>
void ForEachRow(const model::WeightFile& file, Visit visit) {
  const model::RowsView& rows = file.rows();
  ExportRow row;
  row.v.resize(rows.k);
  for (uint64_t slot = 0; slot < rows.slots_count; ++slot) {
    model::format::RowPrefix prefix;
    std::memcpy(&prefix, rows.row(slot), sizeof(prefix));
    if (prefix.key == model::format::kEmptyKey) continue;
    const std::optional<model::FeatureName> name = file.name(static_cast<uint32_t>(slot));
    row.key = prefix.key;
    row.field = name ? name->field : 0;
    row.value = name ? std::string(name->value) : "";
    row.w = prefix.w;
    model::DecodeRow(rows.quantization, rows.row(slot), row.v);
    visit(row);
  }
}

// Tab, line break and backslash as in a TSV of PostgreSQL or MySQL.
std::string Escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\t':
        escaped += "\\t";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      case '\\':
        escaped += "\\\\";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// Header, the row of w0 (no field, value "(w0)"), then a row per feature. Nine digits keep every
// float.
absl::Status ExportTsv(const model::WeightFile& file, const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << "field\tvalue\tw";
  for (uint32_t f = 0; f < file.info().k; ++f) out << "\tv" << f;
  out << absl::StrFormat("\n\t(w0)\t%.17g", file.info().w0);
  for (uint32_t f = 0; f < file.info().k; ++f) out << "\t0";
  out << "\n";
  ForEachRow(file, [&](const ExportRow& row) {
    out << Escape(file.schema().field(row.field).name) << '\t' << Escape(row.value)
        << absl::StrFormat("\t%.9g", row.w);
    for (const float v : row.v) out << absl::StrFormat("\t%.9g", v);
    out << '\n';
  });
  out.close();
  return out ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

// NumPy's strings of bytes: all as long as the longest, padded with zeros.
absl::Status AddStrings(const std::string& name, const std::vector<std::string>& strings,
                        NpzWriter& npz) {
  size_t width = 1;
  for (const std::string& text : strings) width = std::max(width, text.size());
  std::string bytes(strings.size() * width, '\0');
  for (size_t i = 0; i < strings.size(); ++i) strings[i].copy(bytes.data() + i * width, width);
  return npz.Add(name, absl::StrCat("|S", width), std::array{strings.size()},
                 std::as_bytes(std::span(bytes)));
}

// field, value, key, w [rows], v [rows, k] and w0.
absl::Status ExportNpz(const model::WeightFile& file, const std::string& path) {
  std::vector<std::string> fields;
  std::vector<std::string> values;
  std::vector<uint64_t> keys;
  std::vector<float> w;
  std::vector<float> v;
  ForEachRow(file, [&](const ExportRow& row) {
    fields.push_back(file.schema().field(row.field).name);
    values.push_back(row.value);
    keys.push_back(row.key);
    w.push_back(row.w);
    v.insert(v.end(), row.v.begin(), row.v.end());
  });
  const double w0 = file.info().w0;
  NpzWriter npz(path);
  absl::Status status = AddStrings("field", fields, npz);
  status.Update(AddStrings("value", values, npz));
  status.Update(npz.Add("key", "<u8", std::array{keys.size()}, std::as_bytes(std::span(keys))));
  status.Update(npz.Add("w", "<f4", std::array{w.size()}, std::as_bytes(std::span(w))));
  status.Update(npz.Add("v", "<f4", std::array{w.size(), size_t{file.info().k}},
                        std::as_bytes(std::span(v))));
  status.Update(npz.Add("w0", "<f8", {}, std::as_bytes(std::span(&w0, 1))));
  return status.ok() ? npz.Finish() : status;
}

int RunExport(const ExportArguments& arguments) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(arguments.model);
  if (!file.ok()) return Fail("export", file.status());
  const bool has_names =
      std::ranges::any_of((*file)->sections(), [](const model::SectionInfo& section) {
        return section.type == static_cast<uint32_t>(model::format::SectionType::kNames);
      });
  if (!has_names) {
    return Fail("export",
                absl::InvalidArgumentError(absl::StrCat(
                    arguments.model, " carries no names of values; train it without --no-names")));
  }
  const auto write = arguments.format == "tsv" ? ExportTsv : ExportNpz;
  const absl::Status status = write(**file, arguments.out);
  if (!status.ok()) return Fail("export", status);
  if (arguments.json) PrintJson({{"out", arguments.out}, {"rows", (*file)->info().rows_count}});
  return kDone;
}

}  // namespace

void AddExport(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command =
      app.add_subcommand("export", "Write the parameters: field, value, w and v of every feature.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command->add_option("--format", arguments->format, "tsv, or npz for NumPy")
      ->check(CLI::IsMember({"tsv", "npz"}))
      ->capture_default_str();
  command->add_option("--out", arguments->out, "File to write")->required()->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm export ctr.fmw --format npz --out ctr.npz");
  command->callback([arguments, &exit_code] { exit_code = RunExport(*arguments); });
}

}  // namespace fmserve::tools
