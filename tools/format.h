// How figures read to people.
#ifndef FMSERVE_TOOLS_FORMAT_H_
#define FMSERVE_TOOLS_FORMAT_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace fmserve::tools {

// "812 B", "4.2 KB", "512.0 MB": powers of 1000, one decimal from KB on.
std::string FormatBytes(uint64_t bytes);

// The largest unit that fits and the next one below it: "4 s", "3 min 12 s", "5 h 2 min", "12 d 3
// h".
std::string FormatAge(std::chrono::seconds age);

// Columns two spaces apart, each as wide as its widest cell; columns of numbers are set to the
// right. The first row is the header. Rows may be shorter than the header. Ends in a line break.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_FORMAT_H_
