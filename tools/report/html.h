// Text and tables of an HTML page. Whatever comes from data or models goes through here.
#ifndef FMSERVE_TOOLS_REPORT_HTML_H_
#define FMSERVE_TOOLS_REPORT_HTML_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fmserve::tools {

inline constexpr size_t kMaxShownBytes = 120;

// `text` as HTML text or attribute value: the five characters of markup as entities, control
// characters and what is not UTF-8 as U+FFFD, cut with "…" after `max_bytes` of it.
std::string EscapeHtml(std::string_view text, size_t max_bytes = kMaxShownBytes);

// Four significant digits, without an exponent from 0.0001 to 10^7: "0.4716", "12.5", "-0.003".
std::string FormatValue(double value);

// The same with a sign: "+0.012"; "0" for 0.
std::string FormatSigned(double value);

// "12.5 %": three significant digits.
std::string FormatShare(double share);

// "–" for nothing.
std::string FormatOptional(const std::optional<double>& value);

// 1234567 as "1,234,567".
std::string FormatCount(uint64_t count);

// A table of text, which is escaped; cells that are markup already are given by AddMarkup. The
// first column heads its row.
class HtmlTable {
 public:
  // `caption` is for those who cannot see where the table stands.
  HtmlTable(std::string_view caption, const std::vector<std::string>& header);

  // As many cells as the header has.
  void Add(const std::vector<std::string>& cells);

  // The same; the last cell is markup, which is safe.
  void AddMarkup(const std::vector<std::string>& cells, const std::string& markup);

  // Within an element that scrolls by itself on a narrow screen.
  std::string Finish() const;

 private:
  void AddCells(const std::vector<std::string>& cells);

  std::string html_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_HTML_H_
