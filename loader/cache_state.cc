#include "loader/cache_state.h"

#include <utility>

#include "loader/gate_report_json.h"
#include "loader/json.h"

namespace fmserve::loader {
namespace {

nlohmann::ordered_json ToJson(const Rejection& rejection) {
  nlohmann::ordered_json json;
  json["version"] = rejection.version;
  json["sha256"] = rejection.sha256;
  json["fingerprint"] = rejection.fingerprint;
  json["gate"] = rejection.gate;
  json["detail"] = rejection.detail;
  json["size_bytes"] = rejection.size_bytes;
  json["published_unix_us"] = rejection.published_unix_us;
  if (!rejection.partner.empty()) json["partner"] = rejection.partner;
  return json;
}

nlohmann::ordered_json ToJson(const Manifest& manifest) {
  nlohmann::ordered_json json;
  json["model"] = manifest.model;
  json["version"] = manifest.version;
  json["size_bytes"] = manifest.size_bytes;
  json["sha256"] = manifest.sha256;
  json["published_unix_us"] = manifest.published_unix_us;
  return json;
}

absl::StatusOr<Rejection> RejectionFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  Rejection rejection;
  rejection.version = reader.Unsigned("version");
  rejection.sha256 = reader.Text("sha256");
  rejection.fingerprint = reader.Text("fingerprint");
  rejection.gate = reader.Text("gate");
  rejection.detail = reader.Text("detail");
  rejection.size_bytes = reader.Unsigned("size_bytes");
  rejection.published_unix_us = reader.Unsigned("published_unix_us");
  if (json.contains("partner")) rejection.partner = reader.Text("partner");
  if (!reader.status().ok()) return reader.status();
  return rejection;
}

absl::StatusOr<Manifest> ManifestFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  Manifest manifest;
  manifest.model = reader.Text("model");
  manifest.version = reader.Unsigned("version");
  manifest.size_bytes = reader.Unsigned("size_bytes");
  manifest.sha256 = reader.Text("sha256");
  manifest.published_unix_us = reader.Unsigned("published_unix_us");
  if (!reader.status().ok()) return reader.status();
  return manifest;
}

nlohmann::ordered_json ToJson(const Hold& hold) {
  nlohmann::ordered_json json;
  json["manifest"] = ToJson(hold.manifest);
  json["report"] = GateReportToJson(hold.report);
  json["since_unix_us"] = hold.since_unix_us;
  json["gate"] = hold.gate;
  json["why"] = hold.why;
  return json;
}

absl::StatusOr<Hold> HoldFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  absl::StatusOr<Manifest> manifest = ManifestFromJson(reader.Object("manifest"));
  if (!manifest.ok()) return manifest.status();
  absl::StatusOr<GateReport> report = GateReportFromJson(reader.Object("report"));
  if (!report.ok()) return report.status();
  Hold hold{.manifest = *std::move(manifest),
            .report = *std::move(report),
            .since_unix_us = reader.Unsigned("since_unix_us"),
            .gate = kShadowGate,
            .why = {}};
  hold.why = hold.report.detail;
  if (json.contains("gate")) {  // an older server held for the shadow gate alone
    hold.gate = reader.Text("gate");
    hold.why = reader.Text("why");
  }
  if (!reader.status().ok()) return reader.status();
  return hold;
}

nlohmann::ordered_json ToJson(const CacheState& state) {
  nlohmann::ordered_json json;
  json["serving_version"] = state.serving_version;
  json["previous_version"] = state.previous_version;
  json["pinned_version"] = state.pinned_version;
  json["set_aside_version"] = state.set_aside_version;
  if (state.rolled_back_version != 0) json["rolled_back_version"] = state.rolled_back_version;
  json["cached"] = nlohmann::ordered_json::array();
  for (const auto& [version, manifest] : state.cached) json["cached"].push_back(ToJson(manifest));
  json["rejections"] = nlohmann::ordered_json::array();
  for (const auto& [version, rejection] : state.rejections)
    json["rejections"].push_back(ToJson(rejection));
  if (state.held) json["held"] = ToJson(*state.held);
  if (state.canary_version != 0) json["canary_version"] = state.canary_version;
  return json;
}

absl::StatusOr<CacheState> CacheStateFromJson(const nlohmann::json& json) {
  JsonReader reader(json);
  CacheState state;
  state.serving_version = reader.Unsigned("serving_version");
  state.previous_version = reader.Unsigned("previous_version");
  state.pinned_version = reader.Unsigned("pinned_version");
  state.set_aside_version = reader.Unsigned("set_aside_version");
  if (json.contains("canary_version")) state.canary_version = reader.Unsigned("canary_version");
  if (json.contains("rolled_back_version"))
    state.rolled_back_version = reader.Unsigned("rolled_back_version");
  for (const nlohmann::json& entry : reader.Array("cached")) {
    absl::StatusOr<Manifest> manifest = ManifestFromJson(entry);
    if (!manifest.ok()) return manifest.status();
    const uint64_t version = manifest->version;
    state.cached[version] = *std::move(manifest);
  }
  for (const nlohmann::json& entry : reader.Array("rejections")) {
    absl::StatusOr<Rejection> rejection = RejectionFromJson(entry);
    if (!rejection.ok()) return rejection.status();
    AddRejection(*std::move(rejection), state);
  }
  if (!reader.status().ok()) return reader.status();
  if (json.contains("held")) {
    absl::StatusOr<Hold> hold = HoldFromJson(json["held"]);
    if (!hold.ok()) return hold.status();
    state.held = *std::move(hold);
  }
  return state;
}

}  // namespace

std::string SerializeModelState(const ModelState& state) {
  nlohmann::ordered_json json = ToJson(state.weights);
  json["catalogue"] = ToJson(state.catalogue);
  return Dump(json);
}

absl::StatusOr<ModelState> ParseModelState(std::string_view text) {
  const absl::StatusOr<nlohmann::json> json = ParseJsonObject(text);
  if (!json.ok()) return json.status();
  absl::StatusOr<CacheState> weights = CacheStateFromJson(*json);
  if (!weights.ok()) return weights.status();
  ModelState state{.weights = *std::move(weights)};
  const auto found = json->find("catalogue");
  if (found == json->end()) return state;
  absl::StatusOr<CacheState> catalogue = CacheStateFromJson(*found);
  if (!catalogue.ok()) return catalogue.status();
  state.catalogue = *std::move(catalogue);
  return state;
}

void AddRejection(Rejection rejection, CacheState& state) {
  const uint64_t version = rejection.version;
  state.rejections[version] = std::move(rejection);
  if (state.rejections.size() > kMaxRejections) state.rejections.erase(state.rejections.begin());
}

}  // namespace fmserve::loader
