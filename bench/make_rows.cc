// make_rows: a click log of any length, some 200 bytes a row, for measurements of what does not fit
// into memory.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/dictionary.h"

namespace fmserve::bench {
namespace {

constexpr size_t kFields = 22;
constexpr size_t kWriteBytes = size_t{1} << 20;

// 10 values in the first field, some 100,000 in the last.
uint64_t ValuesOf(size_t field) {
  return static_cast<uint64_t>(
      std::pow(10.0, 1.0 + 4.0 * static_cast<double>(field) / (kFields - 1)));
}

// What a value adds to the log odds of a click, between -0.3 and 0.3.
double EffectOf(uint64_t hash) { return (static_cast<double>(hash >> 11) * 0x1p-53 - 0.5) * 0.6; }

void AppendHex(uint64_t bits, std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[bits >> shift & 15];
}

void AppendRow(std::mt19937_64& random, std::string& text) {
  const size_t begin = text.size();
  text += "0";
  double log_odds = -2.0;
  for (size_t field = 0; field < kFields; ++field) {
    // The first values of a field are many times as frequent as its last ones.
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    const auto value = static_cast<uint64_t>(static_cast<double>(ValuesOf(field)) * u * u * u);
    const uint64_t hash = model::DictionaryHash::Mix(value * kFields + field + 1);
    log_odds += EffectOf(hash);
    text += '\t';
    AppendHex(hash, text);
  }
  text += '\n';
  const double u = static_cast<double>(random() >> 11) * 0x1p-53;
  if (u < 1.0 / (1.0 + std::exp(-log_odds))) text[begin] = '1';
}

absl::Status WriteRows(const std::filesystem::path& path, uint64_t rows, uint64_t seed) {
  std::ofstream file(path, std::ios::binary);
  std::mt19937_64 random(seed);
  std::string text = "click";
  for (size_t field = 0; field < kFields; ++field) absl::StrAppend(&text, "\tf", field);
  text += '\n';
  for (uint64_t row = 0; row < rows && file; ++row) {
    AppendRow(random, text);
    if (text.size() < kWriteBytes) continue;
    file << text;
    text.clear();
  }
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError("cannot write " + path.string());
}

absl::Status WriteSchema(const std::filesystem::path& path) {
  std::ofstream file(path);
  file << "task: binary\nlabel: click\nfields:\n";
  for (size_t field = 0; field < kFields; ++field) file << "  - {name: f" << field << "}\n";
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError("cannot write " + path.string());
}

int Main(int argc, char** argv) {
  CLI::App app("Writes a click log with its schema.", "make_rows");
  uint64_t rows = 1'000'000;
  uint64_t seed = 1;
  std::string folder;
  app.add_option("--rows", rows, "Of train.tsv; valid.tsv has a hundredth, at most 100,000")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{100}, uint64_t{10'000'000'000}));
  app.add_option("--seed", seed, "Another seed, other rows")->capture_default_str();
  app.add_option("--out", folder, "Folder for schema.yaml, train.tsv and valid.tsv")->required();
  app.footer("Example:\n  make_rows --rows 100000000 --out big");
  CLI11_PARSE(app, argc, argv);
  const std::filesystem::path out = folder;
  std::error_code error;
  std::filesystem::create_directories(out, error);
  absl::Status status = WriteSchema(out / "schema.yaml");
  if (status.ok())
    status = WriteRows(out / "valid.tsv", std::min<uint64_t>(rows / 100, 100'000), ~seed);
  if (status.ok()) status = WriteRows(out / "train.tsv", rows, seed);
  if (!status.ok()) std::cerr << "make_rows: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
