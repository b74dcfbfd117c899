#include "loader/manifest.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "loader/json.h"

namespace fmserve::loader {
namespace {

constexpr size_t kSuffixBytes = 4;
constexpr size_t kVersionDigits = 20;
constexpr size_t kSha256Digits = 64;
constexpr size_t kMaxModelNameBytes = 63;

std::string_view Suffix(Artifact artifact) {
  return artifact == Artifact::kWeights ? ".fmw" : ".fmc";
}

bool IsLowerHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

bool IsSha256(std::string_view text) {
  return text.size() == kSha256Digits && std::ranges::all_of(text, IsLowerHex);
}

absl::Status CheckDelta(const ManifestDelta& delta, uint64_t version) {
  if (delta.base_version == 0 || delta.base_version > kMaxVersion)
    return absl::InvalidArgumentError("\"base_version\" is not 1 to 10^18");
  if (delta.size_bytes == 0) return absl::InvalidArgumentError("\"size_bytes\" is 0");
  if (!IsSha256(delta.base_sha256) || !IsSha256(delta.sha256)) {
    return absl::InvalidArgumentError(
        R"("base_sha256" and "sha256" must be 64 lower-case hexadecimal digits)");
  }
  if (delta.file == DeltaFileName(delta.base_version, version)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"file\" is not ", DeltaFileName(delta.base_version, version), ", as it must be"));
}

absl::StatusOr<std::vector<ManifestDelta>> ParseDeltas(const nlohmann::json& list,
                                                       uint64_t version) {
  if (!list.is_array() || list.size() > kMaxManifestDeltas) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"deltas\" is not a list of at most ", kMaxManifestDeltas));
  }
  std::vector<ManifestDelta> deltas;
  for (const nlohmann::json& entry : list) {
    JsonReader reader(entry);
    ManifestDelta& delta = deltas.emplace_back();
    delta.base_version = reader.Unsigned("base_version");
    delta.base_sha256 = reader.Text("base_sha256");
    delta.size_bytes = reader.Unsigned("size_bytes");
    delta.sha256 = reader.Text("sha256");
    delta.file = reader.Text("file");
    const absl::Status status = reader.status().ok() ? CheckDelta(delta, version) : reader.status();
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"deltas\" ", deltas.size(), ": ", status.message()));
    }
  }
  return deltas;
}

absl::Status CheckManifest(const Manifest& manifest) {
  if (absl::Status status = CheckModelName(manifest.model); !status.ok()) return status;
  if (manifest.version == 0 || manifest.version > kMaxVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"version\" is ", manifest.version, "; it must be 1 to 10^18"));
  }
  if (manifest.size_bytes == 0) return absl::InvalidArgumentError("\"size_bytes\" is 0");
  if (!IsSha256(manifest.sha256)) {
    return absl::InvalidArgumentError("\"sha256\" is not 64 lower-case hexadecimal digits");
  }
  return absl::OkStatus();
}

}  // namespace

std::string SerializeManifest(const Manifest& manifest) {
  const absl::Time published =
      absl::FromUnixMicros(static_cast<int64_t>(manifest.published_unix_us));
  nlohmann::ordered_json json;
  json["model"] = manifest.model;
  json["version"] = manifest.version;
  json["size_bytes"] = manifest.size_bytes;
  json["sha256"] = manifest.sha256;
  json["published"] = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", published, absl::UTCTimeZone());
  for (const ManifestDelta& delta : manifest.deltas) {
    json["deltas"].push_back({{"base_version", delta.base_version},
                              {"base_sha256", delta.base_sha256},
                              {"size_bytes", delta.size_bytes},
                              {"sha256", delta.sha256},
                              {"file", delta.file}});
  }
  return Dump(json);
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text) {
  const absl::StatusOr<nlohmann::json> json = ParseJsonObject(text);
  if (!json.ok()) return json.status();
  JsonReader reader(*json);
  Manifest manifest;
  manifest.model = reader.Text("model");
  manifest.version = reader.Unsigned("version");
  manifest.size_bytes = reader.Unsigned("size_bytes");
  manifest.sha256 = reader.Text("sha256");
  const std::string published = reader.Text("published");
  if (!reader.status().ok()) return reader.status();
  if (absl::Status status = CheckManifest(manifest); !status.ok()) return status;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, published, &time, &error) || time < absl::UnixEpoch()) {
    return absl::InvalidArgumentError("\"published\" is not a time as in RFC 3339, after 1970");
  }
  manifest.published_unix_us = static_cast<uint64_t>(absl::ToUnixMicros(time));
  if (const auto found = json->find("deltas"); found != json->end()) {
    absl::StatusOr<std::vector<ManifestDelta>> deltas = ParseDeltas(*found, manifest.version);
    if (!deltas.ok()) return deltas.status();
    manifest.deltas = *std::move(deltas);
  }
  return manifest;
}

std::string RelativeStoreFolder(const std::string& model, Artifact artifact) {
  return absl::StrCat(model, artifact == Artifact::kWeights ? "" : "/catalogue");
}

std::string StoreFolder(const std::string& store, const std::string& model, Artifact artifact) {
  return absl::StrCat(store, "/", RelativeStoreFolder(model, artifact));
}

std::string FileName(Artifact artifact, uint64_t version) {
  return absl::StrFormat("%0*d%s", static_cast<int>(kVersionDigits), version, Suffix(artifact));
}

std::string ClaimName(uint64_t version) {
  return absl::StrFormat("%0*d.claim", static_cast<int>(kVersionDigits), version);
}

std::string DeltaFileName(uint64_t base_version, uint64_t version) {
  const int digits = static_cast<int>(kVersionDigits);
  return absl::StrFormat("%0*d-from-%0*d.fmd", digits, version, digits, base_version);
}

std::optional<uint64_t> ParseFileName(Artifact artifact, std::string_view name) {
  if (name.size() != kVersionDigits + kSuffixBytes) return std::nullopt;
  uint64_t version = 0;
  const char* const end = name.data() + kVersionDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, version);
  if (error != std::errc() || stop != end || !name.ends_with(Suffix(artifact))) return std::nullopt;
  if (version == 0 || version > kMaxVersion) return std::nullopt;
  return version;
}

absl::Status CheckModelName(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kMaxModelNameBytes && name.front() != '.';
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
  };
  if (fits && std::ranges::all_of(name, allowed)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model name '", std::string(name.substr(0, kMaxModelNameBytes)),
                   "': use 1 to 63 of the characters A-Z a-z 0-9 _ . -, the first of them no dot"));
}

}  // namespace fmserve::loader
