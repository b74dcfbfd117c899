#include "tests/model/format_page.h"

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace fmserve::model {

FormatPage::FormatPage(const std::string& path) {
  std::ifstream page(path);
  for (std::string line; std::getline(page, line);) lines_.push_back(line);
}

std::vector<std::vector<std::string>> FormatPage::Table(const std::string& heading) const {
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const std::string& line : lines_) {
    if (line == heading) inside = true;
    if (!inside) continue;
    if (!line.starts_with("|")) {
      if (!rows.empty()) break;
      continue;
    }
    std::vector<std::string> cells = absl::StrSplit(line.substr(1, line.size() - 2), '|');
    for (std::string& cell : cells) {
      std::erase(cell, '`');
      cell = std::string(absl::StripAsciiWhitespace(cell));
    }
    rows.push_back(std::move(cells));
  }
  if (rows.size() < 3) return {};
  return {rows.begin() + 2, rows.end()};
}

std::vector<std::byte> FormatPage::HexDump() const {
  std::vector<std::byte> bytes;
  bool inside = false;
  for (const std::string& line : lines_) {
    if (inside && line == "```") break;
    if (!inside) {
      inside = line == "```hexdump";
      continue;
    }
    if (line == "*") continue;
    const size_t offset = std::stoul(line.substr(0, 8), nullptr, 16);
    // A star: the last line repeats up to here.
    while (bytes.size() < offset) bytes.push_back(bytes.at(bytes.size() - 16));
    std::istringstream columns(line.substr(8, line.find('|') - 8));
    for (std::string column; columns >> column;) {
      bytes.push_back(static_cast<std::byte>(std::stoul(column, nullptr, 16)));
    }
  }
  return bytes;
}

}  // namespace fmserve::model
