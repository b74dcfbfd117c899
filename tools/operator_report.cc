#include "tools/operator_report.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tools/format.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::LoadState;
using fmserve::v1::Model;
using fmserve::v1::Version;
using fmserve::v1::VersionState;
using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

// "LOAD_STATE_FETCHING" -> "fetching": the names of the protocol, without what they repeat.
std::string StateName(LoadState state) {
  return absl::AsciiStrToLower(fmserve::v1::LoadState_Name(state).substr(sizeof("LOAD_STATE")));
}
std::string StateName(VersionState state) {
  return absl::AsciiStrToLower(
      fmserve::v1::VersionState_Name(state).substr(sizeof("VERSION_STATE")));
}

Json TimeJson(bool known, const Timestamp& time) {
  if (!known) return nullptr;
  return TimeUtil::ToString(time);
}

std::string Age(bool known, const Timestamp& time, std::chrono::system_clock::time_point now) {
  if (!known) return "-";
  const auto since = std::chrono::seconds(TimeUtil::TimestampToSeconds(time));
  return FormatAge(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()) -
                   since);
}

// "5 s ago"
std::string Ago(bool known, const Timestamp& time, std::chrono::system_clock::time_point now) {
  return known ? Age(known, time, now) + " ago" : "-";
}

std::string VersionOrDash(uint64_t version) { return version == 0 ? "-" : absl::StrCat(version); }

// Of the models that have one; "" when none has.
std::string CataloguesText(const std::vector<Model>& models,
                           std::chrono::system_clock::time_point now) {
  std::vector<std::vector<std::string>> rows = {
      {"catalogue of", "serving", "published", "previous", "items", "memory"}};
  for (const Model& model : models) {
    if (model.catalogue_version() == 0 && model.previous_catalogue_version() == 0) continue;
    rows.push_back({model.name(), VersionOrDash(model.catalogue_version()),
                    Ago(model.has_catalogue_published(), model.catalogue_published(), now),
                    VersionOrDash(model.previous_catalogue_version()),
                    absl::StrCat(model.catalogue_items_count()),
                    FormatBytes(model.catalogue_bytes())});
  }
  return rows.size() == 1 ? "" : "\n" + FormatTable(rows);
}

}  // namespace

Json ModelJson(const Model& model) {
  return {{"name", model.name()},
          {"default", model.is_default()},
          {"serving_version", model.serving_version()},
          {"previous_version", model.previous_version()},
          {"pinned_version", model.pinned_version()},
          {"state", StateName(model.load_state())},
          {"loading_version", model.loading_version()},
          {"last_error", model.last_error()},
          {"serving_since", TimeJson(model.has_serving_since(), model.serving_since())},
          {"snapshot_bytes", model.snapshot_bytes()},
          {"huge_page_bytes", model.huge_page_bytes()},
          {"swaps", model.swaps_count()},
          {"held_version", model.held_version()},
          {"canary_version", model.canary_version()},
          {"canary_percent", model.canary_percent()},
          {"canary_since", TimeJson(model.has_canary_since(), model.canary_since())},
          {"watched_version", model.watched_version()},
          {"watched_since", TimeJson(model.has_watched_since(), model.watched_since())},
          {"watch_is_failing", model.watch_is_failing()},
          {"automatic_rollbacks", model.automatic_rollbacks_count()},
          {"catalogue",
           {{"serving_version", model.catalogue_version()},
            {"previous_version", model.previous_catalogue_version()},
            {"loading_version", model.loading_catalogue_version()},
            {"published", TimeJson(model.has_catalogue_published(), model.catalogue_published())},
            {"items", model.catalogue_items_count()},
            {"bytes", model.catalogue_bytes()},
            {"last_error", model.catalogue_error()}}}};
}

Json VersionJson(const Version& version) {
  return {{"version", version.version()},
          {"state", StateName(version.state())},
          {"reason", version.reason()},
          {"size_bytes", version.size_bytes()},
          {"published", TimeJson(version.has_published(), version.published())},
          {"sha256", version.sha256()}};
}

std::string ModelsText(const std::vector<Model>& models,
                       std::chrono::system_clock::time_point now) {
  std::vector<std::vector<std::string>> rows = {
      {"model", "serving", "for", "previous", "pinned", "state", "swaps", "memory"}};
  std::string errors;
  for (const Model& model : models) {
    std::string state = StateName(model.load_state());
    if (model.loading_version() != 0) absl::StrAppend(&state, " ", model.loading_version());
    if (model.loading_catalogue_version() != 0)
      absl::StrAppend(&state, " catalogue ", model.loading_catalogue_version());
    if (model.held_version() != 0) absl::StrAppend(&state, ", held ", model.held_version());
    if (model.canary_version() != 0) {
      absl::StrAppend(&state, ", canary ", model.canary_version(), " (", model.canary_percent(),
                      " % for ", Age(model.has_canary_since(), model.canary_since(), now), ")");
    }
    if (model.watched_version() != 0) absl::StrAppend(&state, ", watched");
    if (model.watch_is_failing()) absl::StrAppend(&state, ", FAILS ITS WATCH");
    rows.push_back({model.name() + (model.is_default() ? " (default)" : ""),
                    VersionOrDash(model.serving_version()),
                    Age(model.has_serving_since(), model.serving_since(), now),
                    VersionOrDash(model.previous_version()), VersionOrDash(model.pinned_version()),
                    state, absl::StrCat(model.swaps_count()), FormatBytes(model.snapshot_bytes())});
    if (!model.last_error().empty())
      absl::StrAppend(&errors, model.name(), ": ", model.last_error(), "\n");
    if (!model.catalogue_error().empty())
      absl::StrAppend(&errors, model.name(), ": catalogue: ", model.catalogue_error(), "\n");
  }
  return FormatTable(rows) + CataloguesText(models, now) + errors;
}

std::string VersionsText(const std::vector<Version>& versions,
                         std::chrono::system_clock::time_point now, const std::string& heading) {
  std::vector<std::vector<std::string>> rows = {
      {heading, "state", "size", "published", "sha256", "reason"}};
  for (const Version& version : versions) {
    rows.push_back({absl::StrCat(version.version()), StateName(version.state()),
                    version.size_bytes() == 0 ? "-" : FormatBytes(version.size_bytes()),
                    Ago(version.has_published(), version.published(), now),
                    version.sha256().substr(0, 12), version.reason()});
  }
  return FormatTable(rows);
}

}  // namespace fmserve::tools
