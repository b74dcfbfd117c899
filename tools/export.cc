// fm export: the parameters as a table, as NumPy arrays or as a model of libFM.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/weight_file.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/libfm_text.h"
#include "tools/npz.h"
#include "trainer/rewrite.h"
#include "trainer/row_table.h"
#include "trainer/value_text.h"

namespace fmserve::tools {
namespace {

struct ExportArguments {
  std::string model;
  std::string format = "tsv";
  std::string out;
  std::string map;  // libfm; "": the values are the ids
  bool json = false;
};

// Nine digits keep every float.
void WriteFloats(std::span<const float> floats, std::ostream& out) {
  for (const float number : floats) out << absl::StrFormat("\t%.9g", number);
}

void WriteZeros(uint32_t count, std::ostream& out) {
  for (uint32_t i = 0; i < count; ++i) out << "\t0";
}

// Header, the row of w0 (no field, value "(w0)"), then a row per feature. Of a field-weighted
// model: the u of the feature's field behind its v, and the row of e (value "(e)") after that of
// w0.
absl::Status ExportTsv(const trainer::FileRows& rows, const std::string& path) {
  const model::WeightFile& file = rows.file();
  const std::optional<model::FieldMatrix>& matrix = file.field_matrix();
  const uint32_t k = file.info().k;
  const uint32_t rank = matrix ? matrix->rank : 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << "field\tvalue\tw";
  for (uint32_t f = 0; f < k; ++f) out << "\tv" << f;
  for (uint32_t r = 0; r < rank; ++r) out << "\tu" << r;
  out << absl::StrFormat("\n\t(w0)\t%.17g", file.info().w0);
  WriteZeros(k + rank, out);
  if (matrix) {
    out << "\n\t(e)";
    WriteZeros(1 + k, out);
    WriteFloats(matrix->scales, out);
  }
  out << "\n";
  const absl::Status status = rows.ForEach([&](const trainer::FeatureRow& row) {
    out << trainer::EscapeCell(file.schema().field(row.name->field).name) << '\t'
        << trainer::EscapeCell(row.name->value) << absl::StrFormat("\t%.9g", row.w);
    WriteFloats(row.v, out);
    if (matrix) WriteFloats(matrix->factors_of(row.name->field), out);
    out << '\n';
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
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

// e [rank], u [fields, rank] and the names of these fields, u_field.
absl::Status AddFieldMatrix(const model::WeightFile& file, NpzWriter& npz) {
  const model::FieldMatrix& matrix = *file.field_matrix();
  std::vector<std::string> fields;
  for (const model::Field& field : file.schema().fields()) fields.push_back(field.name);
  absl::Status status = AddStrings("u_field", fields, npz);
  status.Update(npz.Add("u", "<f4", std::array{fields.size(), size_t{matrix.rank}},
                        std::as_bytes(std::span(matrix.factors))));
  status.Update(npz.Add("e", "<f4", std::array{size_t{matrix.rank}},
                        std::as_bytes(std::span(matrix.scales))));
  return status;
}

// field, value, key, w [rows], v [rows, k] and w0; the field matrix of a field-weighted model.
absl::Status ExportNpz(const trainer::FileRows& rows, const std::string& path) {
  const model::WeightFile& file = rows.file();
  std::vector<std::string> fields;
  std::vector<std::string> values;
  std::vector<uint64_t> keys;
  std::vector<float> w;
  std::vector<float> v;
  absl::Status status = rows.ForEach([&](const trainer::FeatureRow& row) {
    fields.push_back(file.schema().field(row.name->field).name);
    values.emplace_back(row.name->value);
    keys.push_back(row.key);
    w.push_back(row.w);
    v.insert(v.end(), row.v.begin(), row.v.end());
    return absl::OkStatus();
  });
  const double w0 = file.info().w0;
  NpzWriter npz(path);
  status.Update(AddStrings("field", fields, npz));
  status.Update(AddStrings("value", values, npz));
  status.Update(npz.Add("key", "<u8", std::array{keys.size()}, std::as_bytes(std::span(keys))));
  status.Update(npz.Add("w", "<f4", std::array{w.size()}, std::as_bytes(std::span(w))));
  status.Update(npz.Add("v", "<f4", std::array{w.size(), size_t{file.info().k}},
                        std::as_bytes(std::span(v))));
  status.Update(npz.Add("w0", "<f8", {}, std::as_bytes(std::span(&w0, 1))));
  if (file.field_matrix()) status.Update(AddFieldMatrix(file, npz));
  return status.ok() ? npz.Finish() : status;
}

int RunExport(const ExportArguments& arguments) {
  const absl::StatusOr<std::shared_ptr<const model::WeightFile>> file =
      model::WeightFile::Open(arguments.model);
  if (!file.ok()) return Fail("export", file.status());
  if (!trainer::HasNames(**file)) {
    return Fail("export",
                absl::InvalidArgumentError(absl::StrCat(
                    arguments.model, " carries no names of values; train it without --no-names")));
  }
  const trainer::FileRows rows(*file);
  const absl::Status status = arguments.format == "tsv" ? ExportTsv(rows, arguments.out)
                              : arguments.format == "npz"
                                  ? ExportNpz(rows, arguments.out)
                                  : ExportLibfm(rows, arguments.out, arguments.map);
  if (!status.ok()) return Fail("export", status);
  const model::Calibration& calibration = (*file)->info().calibration;
  if (calibration.kind != model::CalibrationKind::kNone) {
    std::cerr << absl::StrFormat(
        "fm export: %s has no place for the calibration: a prediction is made from %.17g * score "
        "%+.17g\n",
        arguments.format, calibration.scale, calibration.offset);
  }
  if (arguments.json) PrintJson({{"out", arguments.out}, {"rows", (*file)->info().rows_count}});
  return kDone;
}

}  // namespace

void AddExport(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command =
      app.add_subcommand("export", "Write the parameters: field, value, w and v of every feature.");
  command->add_option("model", arguments->model, "Weight file")->required()->type_name("M.fmw");
  command->add_option("--format", arguments->format, "tsv, npz for NumPy, or libfm")
      ->check(CLI::IsMember({"tsv", "npz", "libfm"}))
      ->capture_default_str();
  command->add_option("--out", arguments->out, "File to write")->required()->type_name("FILE");
  command
      ->add_option("--map", arguments->map,
                   "libfm: number the features, and write lines id<TAB>field<TAB>value; without, "
                   "their values are their ids")
      ->type_name("IDS.tsv");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer("Example:\n  fm export ctr.fmw --format npz --out ctr.npz");
  command->callback([arguments, &exit_code] {
    if (!arguments->map.empty() && arguments->format != "libfm") {
      throw CLI::ValidationError("--map", "is for --format libfm; the others have the values");
    }
    exit_code = RunExport(*arguments);
  });
}

}  // namespace fmserve::tools
