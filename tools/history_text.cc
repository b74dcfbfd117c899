#include "tools/history_text.h"

#include <google/protobuf/util/time_util.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tools/format.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::HistoryEvent;
using fmserve::v1::HistoryStep;
using fmserve::v1::VersionHistory;
using google::protobuf::util::TimeUtil;

constexpr std::pair<HistoryStep, const char*> kMilestones[] = {
    {fmserve::v1::HISTORY_STEP_PUBLISHED, "published"},
    {fmserve::v1::HISTORY_STEP_FETCHED, "fetched"},
    {fmserve::v1::HISTORY_STEP_GATED, "gated"},
    {fmserve::v1::HISTORY_STEP_SERVED, "served"},
    {fmserve::v1::HISTORY_STEP_ENDED, "ended"}};

// "HISTORY_STEP_CANARY_ENDED" -> "canary ended"
std::string StepName(HistoryStep step) {
  std::string name =
      absl::AsciiStrToLower(fmserve::v1::HistoryStep_Name(step).substr(sizeof("HISTORY_STEP")));
  for (char& c : name) c = c == '_' ? ' ' : c;
  return name;
}

// The last event with this step; null when there is none, and for the end of what serves again.
const HistoryEvent* Find(const VersionHistory& history, HistoryStep step) {
  for (int i = history.events_size() - 1; i >= 0; --i) {
    const HistoryEvent& event = history.events(i);
    if (event.step() == step) return &event;
    if (step == fmserve::v1::HISTORY_STEP_ENDED && event.step() == fmserve::v1::HISTORY_STEP_SERVED)
      return nullptr;
  }
  return nullptr;
}

std::string UtcText(const HistoryEvent* event) {
  if (event == nullptr) return "-";
  const absl::Time time = absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(event->time()));
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
}

std::string VersionName(const VersionHistory& history) {
  return absl::StrCat(history.version(), history.of_catalogue() ? " (catalogue)" : "");
}

}  // namespace

Json VersionHistoryJson(const VersionHistory& history) {
  Json json = {{"version", history.version()},
               {"artifact", history.of_catalogue() ? "catalogue" : "weights"}};
  for (const auto& [step, name] : kMilestones) {
    const HistoryEvent* const event = Find(history, step);
    json[name] = event == nullptr ? Json(nullptr) : Json(TimeUtil::ToString(event->time()));
  }
  json["events"] = Json::array();
  for (const HistoryEvent& event : history.events()) {
    json["events"].push_back({{"step", StepName(event.step())},
                              {"time", TimeUtil::ToString(event.time())},
                              {"who", event.who()},
                              {"why", event.why()}});
  }
  return json;
}

std::string HistoryText(const fmserve::v1::ListHistoryResponse& history) {
  std::vector<std::vector<std::string>> rows = {{"version"}};
  for (const auto& [step, name] : kMilestones) rows[0].emplace_back(name);
  for (const char* name : {"last", "who", "why"}) rows[0].emplace_back(name);
  for (const VersionHistory& version : history.versions()) {
    if (version.events().empty()) continue;
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(VersionName(version));
    for (const auto& [step, name] : kMilestones) row.push_back(UtcText(Find(version, step)));
    const HistoryEvent& last = version.events(version.events_size() - 1);
    row.push_back(StepName(last.step()));
    row.push_back(last.who());
    row.push_back(last.why());
  }
  return FormatTable(rows);
}

std::string EventsText(const fmserve::v1::ListHistoryResponse& history) {
  std::vector<std::vector<std::string>> rows = {{"version", "time", "step", "who", "why"}};
  for (const VersionHistory& version : history.versions()) {
    for (const HistoryEvent& event : version.events()) {
      rows.push_back({VersionName(version), UtcText(&event), StepName(event.step()), event.who(),
                      event.why()});
    }
  }
  return FormatTable(rows);
}

}  // namespace fmserve::tools
