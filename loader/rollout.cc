#include "loader/rollout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

using Action = RolloutDecision::Action;

RolloutDecision Keep(std::string why) { return {Action::kKeep, 0, {}, std::move(why)}; }

// The rejection of `version` if what was rejected is still what lies in the source. One that was
// made on the manifest alone (no fingerprint) is judged anew each time: it depends on the settings
// and on what serves. One for not fitting the other artifact stands until there is another one.
const Rejection* StandingRejection(const RolloutInput& input, uint64_t version) {
  const auto found = input.state->rejections.find(version);
  if (input.reload || found == input.state->rejections.end()) return nullptr;
  const Rejection& rejection = found->second;
  const bool misfit = !rejection.partner.empty();
  if (misfit && rejection.partner != input.partner) return nullptr;
  if (rejection.fingerprint.empty() ? !misfit : rejection.fingerprint != input.fingerprint)
    return nullptr;
  const Manifest* const newest = input.newest;
  if (newest != nullptr && newest->version == version &&
      (newest->sha256 != rejection.sha256 || newest->size_bytes != rejection.size_bytes)) {
    return nullptr;
  }
  return &rejection;
}

RolloutDecision LoadUnlessRejected(const RolloutInput& input, uint64_t version, std::string why) {
  const Rejection* const rejection = StandingRejection(input, version);
  if (rejection == nullptr) return {Action::kLoad, version, {}, std::move(why)};
  return {Action::kKeep, version, rejection->gate,
          absl::StrCat("version ", version, " was rejected: ", rejection->detail)};
}

RolloutDecision DecidePinned(const RolloutInput& input) {
  const uint64_t pinned = input.state->pinned_version;
  std::string why = absl::StrCat("version ", pinned, " is pinned");
  if (pinned == input.state->serving_version) return Keep(std::move(why));
  return LoadUnlessRejected(input, pinned, std::move(why));
}

RolloutDecision DecideServing(const CacheState& state, const Manifest& newest) {
  const auto cached = state.cached.find(newest.version);
  const bool changed = cached != state.cached.end() && !cached->second.sha256.empty() &&
                       cached->second.sha256 != newest.sha256;
  if (!changed) return Keep(absl::StrCat("version ", newest.version, " is the newest"));
  return {Action::kReject, newest.version, "version",
          absl::StrCat(
              "version ", newest.version,
              " serves and was published again with other content; publish under a higher number")};
}

}  // namespace

RolloutDecision DecideRollout(const GateOptions& gates, const RolloutInput& input) {
  const CacheState& state = *input.state;
  if (state.pinned_version != 0) return DecidePinned(input);
  if (input.newest == nullptr) return Keep("what is published is not known");
  const uint64_t version = input.newest->version;
  if (version == state.serving_version) return DecideServing(state, *input.newest);
  if (version == state.set_aside_version && !input.reload) {
    return Keep(absl::StrCat("version ", version, " was rolled back; a reload brings it back"));
  }
  const GateResult gate = RunManifestGates(gates, *input.newest, state.serving_version);
  if (!gate.passed) return {Action::kReject, version, gate.gate, gate.detail};
  return LoadUnlessRejected(input, version, absl::StrCat("version ", version, " is published"));
}

std::vector<uint64_t> RestartOrder(const CacheState& state) {
  std::vector<uint64_t> order;
  const auto add = [&](uint64_t version) {
    if (state.cached.contains(version) && std::ranges::find(order, version) == order.end()) {
      order.push_back(version);
    }
  };
  for (const uint64_t version :
       {state.pinned_version, state.serving_version, state.previous_version}) {
    if (version != state.set_aside_version) add(version);
  }
  for (auto newest = state.cached.rbegin(); newest != state.cached.rend(); ++newest) {
    if (newest->first != state.set_aside_version) add(newest->first);
  }
  add(state.set_aside_version);
  return order;
}

std::vector<uint64_t> VersionsToRemove(const CacheState& state, size_t keep) {
  std::vector<uint64_t> removable;  // oldest first
  for (const auto& [version, manifest] : state.cached) {
    const bool needed = version == state.serving_version || version == state.previous_version ||
                        version == state.pinned_version;
    if (!needed) removable.push_back(version);
  }
  const size_t excess = state.cached.size() > keep ? state.cached.size() - keep : 0;
  removable.resize(std::min(removable.size(), excess));
  return removable;
}

}  // namespace fmserve::loader
