#include "loader/history.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

namespace fmserve::loader {
namespace {

constexpr std::array<std::string_view, kHistoryStepsCount> kNames = {
    "published", "fetched",  "gated",        "held",         "approved",
    "rejected",  "canary",   "canary_ended", "served",       "ended",
    "pinned",    "unpinned", "watch_passed", "watch_failed", "failed"};

// Steps that come again and again while their reason lasts.
bool Repeats(HistoryStep step) {
  return step == HistoryStep::kFailed || step == HistoryStep::kWatchFailed ||
         step == HistoryStep::kHeld;
}

// Not within a character of UTF-8.
void CutOff(size_t max_bytes, std::string& text) {
  if (text.size() <= max_bytes) return;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xC0U) == 0x80U)
    --max_bytes;
  text.resize(max_bytes);
}

}  // namespace

std::string_view Name(HistoryStep step) { return kNames[static_cast<size_t>(step)]; }

std::optional<HistoryStep> HistoryStepOf(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<HistoryStep>(found - kNames.begin());
}

History::History(std::vector<HistoryEvent> events) {
  for (HistoryEvent& event : events) events_.push_back(std::move(event));
  while (events_.size() > kMaxHistoryEvents) events_.pop_front();
}

std::optional<HistoryEvent> History::Record(HistoryEvent event) {
  if (Repeats(event.step)) {
    const HistoryEvent* const last = LastOf(event.artifact, event.version);
    if (last != nullptr && last->step == event.step && last->who == event.who) return std::nullopt;
  }
  CutOff(kMaxHistoryWhoBytes, event.who);
  CutOff(kMaxHistoryWhyBytes, event.why);
  events_.push_back(event);
  if (events_.size() > kMaxHistoryEvents) events_.pop_front();
  return event;
}

bool History::KnowsPublished(Artifact artifact, uint64_t version) const {
  return std::ranges::any_of(events_.rbegin(), events_.rend(), [&](const HistoryEvent& event) {
    return event.version == version && event.artifact == artifact &&
           event.step == HistoryStep::kPublished;
  });
}

std::vector<VersionHistory> History::List(size_t limit, uint64_t version) const {
  std::map<std::pair<uint64_t, bool>, VersionHistory, std::greater<>> versions;
  for (const HistoryEvent& event : events_) {
    if (version != 0 && event.version != version) continue;
    VersionHistory& history = versions[{event.version, event.artifact == Artifact::kWeights}];
    history.artifact = event.artifact;
    history.version = event.version;
    history.events.push_back(event);
  }
  std::vector<VersionHistory> list;
  for (auto& [key, history] : versions) {
    if (list.size() == limit) break;
    list.push_back(std::move(history));
  }
  return list;
}

const HistoryEvent* History::LastOf(Artifact artifact, uint64_t version) const {
  const auto found = std::find_if(events_.rbegin(), events_.rend(), [&](const auto& event) {
    return event.version == version && event.artifact == artifact;
  });
  return found == events_.rend() ? nullptr : &*found;
}

}  // namespace fmserve::loader
