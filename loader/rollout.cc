#include "loader/rollout.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::loader {
namespace {

using Action = RolloutDecision::Action;

RolloutDecision Keep(std::string why) { return {Action::kKeep, 0, {}, std::move(why)}; }

// The rejection of `version` if what was rejected is still what lies in the source. One that was
// made on the manifest alone (no fingerprint) is judged anew each time: it depends on the settings
// and on what serves. One for not fitting the other artifact stands until there is another one; one
// by an operator or the watch, or of a version that was held, for what the manifest named.
const Rejection* StandingRejection(const RolloutInput& input, uint64_t version) {
  const auto found = input.state->rejections.find(version);
  if (input.reload || found == input.state->rejections.end()) return nullptr;
  const Rejection& rejection = found->second;
  const bool misfit = !rejection.partner.empty();
  if (misfit && rejection.partner != input.partner) return nullptr;
  const bool of_content = rejection.gate == kShadowGate || rejection.gate == kRolloutGate ||
                          rejection.gate == kWatchGate || rejection.gate == kOperatorGate;
  if (rejection.fingerprint.empty() ? !misfit && !of_content
                                    : rejection.fingerprint != input.fingerprint) {
    return nullptr;
  }
  const Manifest* const newest = input.newest;
  if (newest != nullptr && newest->version == version &&
      (newest->sha256 != rejection.sha256 || newest->size_bytes != rejection.size_bytes)) {
    return nullptr;
  }
  return &rejection;
}

// The hold of the newest version. Without one that serves there is nothing to compare it with.
const Hold* StandingHold(const RolloutInput& input) {
  const std::optional<Hold>& held = input.state->held;
  if (!held || input.reload || input.state->serving_version == 0) return nullptr;
  if (held->manifest.version != input.newest->version ||
      held->manifest.sha256 != input.newest->sha256) {
    return nullptr;
  }
  const bool too_few = held->report.verdict == GateReport::Verdict::kTooFewRequests;
  return too_few && input.enough_requests ? nullptr : &*held;
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
  if (version == state.serving_version || version == state.canary_version)
    return DecideServing(state, *input.newest);
  if (version == state.set_aside_version && !input.reload) {
    return Keep(absl::StrCat("version ", version, " was rolled back; a reload brings it back"));
  }
  const auto serving = state.cached.find(state.serving_version);
  const GateResult gate = RunManifestGates(
      gates, {.manifest = input.newest,
              .serving_version = state.serving_version,
              .serving_published_unix_us =
                  serving == state.cached.end() ? 0 : serving->second.published_unix_us,
              .now_unix_us = input.now_unix_us});
  if (!gate.passed) return {Action::kReject, version, gate.gate, gate.detail};
  if (const Hold* const hold = StandingHold(input); hold != nullptr) {
    return {Action::kKeep, version, hold->gate,
            absl::StrCat("version ", version, " is held: ", hold->why)};
  }
  return LoadUnlessRejected(input, version, absl::StrCat("version ", version, " is published"));
}

std::vector<uint64_t> RestartOrder(const CacheState& state) {
  std::vector<uint64_t> order;
  const uint64_t held = state.held ? state.held->manifest.version : 0;
  const std::array last = {state.set_aside_version, state.canary_version, held};
  const auto is_last = [&](uint64_t version) {
    return std::ranges::find(last, version) != last.end();
  };
  const auto add = [&](uint64_t version) {
    if (state.cached.contains(version) && std::ranges::find(order, version) == order.end()) {
      order.push_back(version);
    }
  };
  const auto comes_last = [&](uint64_t version) {
    return is_last(version) ||
           (state.rejections.contains(version) && version != state.pinned_version);
  };
  for (const uint64_t version :
       {state.pinned_version, state.serving_version, state.previous_version}) {
    if (!comes_last(version)) add(version);
  }
  std::for_each(state.cached.rbegin(), state.cached.rend(), [&](const auto& newest) {
    if (!comes_last(newest.first)) add(newest.first);
  });
  std::for_each(state.cached.rbegin(), state.cached.rend(), [&](const auto& newest) {
    if (!is_last(newest.first)) add(newest.first);
  });
  for (const uint64_t version : last) add(version);
  return order;
}

std::vector<uint64_t> VersionsToRemove(const CacheState& state, size_t keep) {
  std::vector<uint64_t> removable;  // oldest first
  for (const auto& [version, manifest] : state.cached) {
    const bool needed = version == state.serving_version || version == state.previous_version ||
                        version == state.pinned_version || version == state.canary_version ||
                        (state.held && version == state.held->manifest.version);
    if (!needed) removable.push_back(version);
  }
  const size_t excess = state.cached.size() > keep ? state.cached.size() - keep : 0;
  removable.resize(std::min(removable.size(), excess));
  return removable;
}

}  // namespace fmserve::loader
