// The report as one HTML page that needs nothing else.
#ifndef FMSERVE_TOOLS_REPORT_PAGE_H_
#define FMSERVE_TOOLS_REPORT_PAGE_H_

#include <string>

#include "tools/report/report_data.h"

namespace fmserve::tools {

// Style and drawings stand in the page; it has no script, and forbids itself to load anything. Its
// size is bounded by those of the data: some 100 kB, and with the longest names some 300.
std::string ReportPage(const ReportData& data);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_PAGE_H_
