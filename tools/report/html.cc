#include "tools/report/html.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text.h"

namespace fmserve::tools {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The length of the UTF-8 character at the beginning of `text`; 0 if there is none.
size_t CharacterBytes(std::string_view text) {
  for (size_t bytes = 1; bytes <= 4 && bytes <= text.size(); ++bytes) {
    if (model::IsUtf8(text.substr(0, bytes))) return bytes;
  }
  return 0;
}

std::string EscapedCharacter(std::string_view character) {
  const char c = character.front();
  if (character.size() > 1) return std::string(character);
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? std::string(kReplacement)
                                                               : std::string(1, c);
  }
}

// Figures are text like any other; this also keeps "-0" and the like out.
std::string WithDigits(double value, int digits) {
  if (!std::isfinite(value)) return value > 0 ? "∞" : value < 0 ? "-∞" : "–";
  if (value == 0.0) return "0";
  const double size = std::abs(value);
  if (size < 1e-4 || size >= 1e7) return absl::StrFormat("%.*g", digits, value);
  const int before = static_cast<int>(std::floor(std::log10(size))) + 1;
  const int decimals = std::max(0, digits - before);
  std::string text = absl::StrFormat("%.*f", decimals, value);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string EscapeHtml(std::string_view text, size_t max_bytes) {
  std::string html;
  size_t shown = 0;
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    shown += std::max<size_t>(bytes, 1);
    if (shown > max_bytes) return html + "…";
    html += bytes == 0 ? std::string(kReplacement) : EscapedCharacter(text.substr(0, bytes));
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return html;
}

std::string FormatValue(double value) { return WithDigits(value, 4); }

std::string FormatSigned(double value) {
  return absl::StrCat(value > 0.0 ? "+" : "", WithDigits(value, 3));
}

std::string FormatShare(double share) { return absl::StrCat(WithDigits(100.0 * share, 3), " %"); }

std::string FormatOptional(const std::optional<double>& value) {
  return value ? FormatValue(*value) : "–";
}

std::string FormatCount(uint64_t count) {
  std::string text = absl::StrCat(count);
  for (size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

HtmlTable::HtmlTable(std::string_view caption, const std::vector<std::string>& header) {
  html_ = absl::StrCat(R"(<div class="scroll" tabindex="0" role="region" aria-label=")",
                       EscapeHtml(caption), "\"><table><caption>", EscapeHtml(caption),
                       "</caption><thead><tr>");
  for (const std::string& cell : header)
    absl::StrAppend(&html_, "<th scope=\"col\">", EscapeHtml(cell), "</th>");
  html_ += "</tr></thead><tbody>\n";
}

void HtmlTable::AddCells(const std::vector<std::string>& cells) {
  html_ += "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string text = EscapeHtml(cells[i]);
    if (i == 0) {
      absl::StrAppend(&html_, "<th scope=\"row\">", text, "</th>");
    } else {
      absl::StrAppend(&html_, "<td>", text, "</td>");
    }
  }
}

void HtmlTable::Add(const std::vector<std::string>& cells) {
  AddCells(cells);
  html_ += "</tr>\n";
}

void HtmlTable::AddMarkup(const std::vector<std::string>& cells, const std::string& markup) {
  AddCells(cells);
  absl::StrAppend(&html_, "<td>", markup, "</td></tr>\n");
}

std::string HtmlTable::Finish() const { return html_ + "</tbody></table></div>\n"; }

}  // namespace fmserve::tools
