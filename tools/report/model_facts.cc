#include "tools/report/model_facts.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tools/format.h"
#include "tools/report/html.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

constexpr size_t kMaxFacts = 48;

}  // namespace

std::vector<std::pair<std::string, std::string>> ModelFacts(const model::WeightFile& file) {
  const model::WeightInfo& info = file.info();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"Model", info.model_name},
      {"Version", info.version == 0 ? "not published" : absl::StrCat(info.version)},
      {"Created", absl::FormatTime("%Y-%m-%d %H:%M UTC",
                                   absl::FromUnixMicros(static_cast<int64_t>(info.created_unix_us)),
                                   absl::UTCTimeZone())},
      {"Task", std::string(Name(info.task))},
      {"Factors", absl::StrCat("k = ", info.k, ", ", std::string(Name(info.quantization)))},
      {"Features", FormatCount(info.rows_count)},
      {"Size", FormatBytes(info.file_size)},
      {"Calibration",
       info.calibration.kind == model::CalibrationKind::kNone
           ? "none"
           : absl::StrFormat("%s: %.4g × score %+.4g", std::string(Name(info.calibration.kind)),
                             info.calibration.scale, info.calibration.offset)}};
  for (const auto& [name, value] : file.metadata()) {
    const std::string_view key = name;
    const bool told = key.starts_with("data.") || key.starts_with("option.");
    if (!told || key == trainer::kSchemaMetadataName || facts.size() == kMaxFacts) continue;
    facts.emplace_back(name, value);
  }
  return facts;
}

}  // namespace fmserve::tools
