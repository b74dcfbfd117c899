#include "tools/format.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fmserve::tools {
namespace {

// Characters, for UTF-8.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A number, alone or with a unit behind a space: "12", "-0.5", "3 min 12 s".
bool IsNumber(const std::string& cell) {
  const size_t digits = cell.starts_with('-') ? 1 : 0;
  if (cell.find_first_of("0123456789") != digits) return false;
  const size_t end = cell.find_first_not_of("0123456789.,", digits);
  return end == std::string::npos || cell[end] == ' ';
}

// Whether every cell below the header that says anything is a number.
bool IsNumeric(const std::vector<std::vector<std::string>>& rows, size_t column) {
  bool some = false;
  for (size_t r = 1; r < rows.size(); ++r) {
    if (column >= rows[r].size() || rows[r][column].empty() || rows[r][column] == "-") continue;
    if (!IsNumber(rows[r][column])) return false;
    some = true;
  }
  return some;
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"KB", "MB", "GB", "TB"};
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1000.0;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string FormatAge(std::chrono::seconds age) {
  const int64_t s = std::max<int64_t>(0, age.count());
  if (s < 60) return absl::StrCat(s, " s");
  if (s < 3600) return absl::StrCat(s / 60, " min ", s % 60, " s");
  if (s < 86400) return absl::StrCat(s / 3600, " h ", s % 3600 / 60, " min");
  return absl::StrCat(s / 86400, " d ", s % 86400 / 3600, " h");
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  const size_t columns = rows.empty() ? 0 : rows.front().size();
  std::vector<size_t> widths(columns);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - Width(row[c]), ' ');
      if (c > 0) line += "  ";
      line += IsNumeric(rows, c) ? padding + row[c] : row[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace fmserve::tools
