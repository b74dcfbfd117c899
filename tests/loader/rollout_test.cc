#include "loader/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace fmserve::loader {
namespace {

using Action = RolloutDecision::Action;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Manifest Published(uint64_t version, char content = 'a') {
  return {
      .model = "ctr", .version = version, .size_bytes = 100, .sha256 = std::string(64, content)};
}

Rejection Rejected(uint64_t version, const std::string& gate, const std::string& fingerprint,
                   const std::string& partner = "") {
  return {.version = version,
          .sha256 = std::string(64, 'a'),
          .fingerprint = fingerprint,
          .gate = gate,
          .detail = "because",
          .size_bytes = 100,
          .partner = partner};
}

struct Case {
  const char* name;
  uint64_t serving = 5;
  uint64_t pinned = 0;
  uint64_t set_aside = 0;
  std::optional<Manifest> newest{};
  std::optional<Rejection> rejection{};
  bool reload = false;
  bool allow_version_decrease = false;
  std::string_view partner{};
  Action action = Action::kKeep;
  uint64_t version = 0;
};

const Case kCases[] = {
    {.name = "NothingIsKnown"},
    {.name = "FirstVersion",
     .serving = 0,
     .newest = Published(1),
     .action = Action::kLoad,
     .version = 1},
    {.name = "NewerVersion", .newest = Published(6), .action = Action::kLoad, .version = 6},
    {.name = "SameVersion", .newest = Published(5)},
    {.name = "SameVersionWithOtherContent",
     .newest = Published(5, 'b'),
     .action = Action::kReject,
     .version = 5},
    {.name = "LowerVersion", .newest = Published(4), .action = Action::kReject, .version = 4},
    {.name = "LowerVersionDespiteReload",
     .newest = Published(4),
     .reload = true,
     .action = Action::kReject,
     .version = 4},
    {.name = "LowerVersionAllowed",
     .newest = Published(4),
     .allow_version_decrease = true,
     .action = Action::kLoad,
     .version = 4},
    {.name = "SetAside", .set_aside = 6, .newest = Published(6)},
    {.name = "SetAsideAndReload",
     .set_aside = 6,
     .newest = Published(6),
     .reload = true,
     .action = Action::kLoad,
     .version = 6},
    {.name = "AnotherThanTheOneSetAside",
     .set_aside = 6,
     .newest = Published(7),
     .action = Action::kLoad,
     .version = 7},
    {.name = "RejectedBefore",
     .newest = Published(6),
     .rejection = Rejected(6, "golden", "now"),
     .version = 6},
    {.name = "RejectedBeforeAndReload",
     .newest = Published(6),
     .rejection = Rejected(6, "golden", "now"),
     .reload = true,
     .action = Action::kLoad,
     .version = 6},
    {.name = "RejectedAndItsFileChanged",
     .newest = Published(6),
     .rejection = Rejected(6, "checksum", "then"),
     .action = Action::kLoad,
     .version = 6},
    {.name = "RejectedAndItsManifestChanged",
     .newest = Published(6, 'b'),
     .rejection = Rejected(6, "checksum", "now"),
     .action = Action::kLoad,
     .version = 6},
    {.name = "RejectedForItsNumberButNowHigher",
     .newest = Published(6),
     .rejection = Rejected(6, "version", ""),
     .action = Action::kLoad,
     .version = 6},
    {.name = "DidNotFitThePartner",
     .newest = Published(6),
     .rejection = Rejected(6, "catalogue", "now", "3"),
     .partner = "3",
     .version = 6},
    {.name = "DidNotFitThePartnerAndLiesInTheCache",
     .newest = Published(6),
     .rejection = Rejected(6, "catalogue", "", "3"),
     .partner = "3",
     .version = 6},
    {.name = "DidNotFitAndThereIsAnotherPartner",
     .newest = Published(6),
     .rejection = Rejected(6, "catalogue", "now", "3"),
     .partner = "4",
     .action = Action::kLoad,
     .version = 6},
    {.name = "RejectedByAnOperatorWhateverItsFileLooksLike",
     .newest = Published(6),
     .rejection = Rejected(6, "operator", ""),
     .version = 6},
    {.name = "RejectedByAnOperatorAndPublishedAgain",
     .newest = Published(6, 'b'),
     .rejection = Rejected(6, "operator", ""),
     .action = Action::kLoad,
     .version = 6},
    {.name = "PinnedAndServing", .pinned = 5, .newest = Published(6)},
    {.name = "PinnedAndNotServing",
     .pinned = 4,
     .newest = Published(6),
     .action = Action::kLoad,
     .version = 4},
    {.name = "PinnedAndRejected",
     .pinned = 4,
     .newest = Published(6),
     .rejection = Rejected(4, "structure", "now"),
     .version = 4},
    {.name = "PinnedAndNothingPublished", .pinned = 4, .action = Action::kLoad, .version = 4},
};

class Rollout : public ::testing::TestWithParam<Case> {};

TEST_P(Rollout, Decides) {
  const Case& wanted = GetParam();
  CacheState state{.serving_version = wanted.serving,
                   .previous_version = 0,
                   .pinned_version = wanted.pinned,
                   .set_aside_version = wanted.set_aside};
  state.cached[5] = Published(5);
  if (wanted.rejection) AddRejection(*wanted.rejection, state);
  const RolloutDecision decision =
      DecideRollout({.allow_version_decrease = wanted.allow_version_decrease},
                    {.state = &state,
                     .newest = wanted.newest ? &*wanted.newest : nullptr,
                     .fingerprint = "now",
                     .partner = wanted.partner,
                     .reload = wanted.reload});
  EXPECT_EQ(decision.action, wanted.action) << decision.why;
  EXPECT_EQ(decision.version, wanted.version);
  EXPECT_FALSE(decision.why.empty());
  EXPECT_EQ(!decision.gate.empty(),
            wanted.action == Action::kReject ||
                (wanted.action == Action::kKeep && wanted.rejection.has_value()));
}

INSTANTIATE_TEST_SUITE_P(Cases, Rollout, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(RolloutLimits, AVersionThatIsTooLargeIsRejectedUnfetched) {
  const CacheState state{.serving_version = 5};
  const Manifest newest = Published(6);
  const RolloutDecision decision =
      DecideRollout({.max_file_bytes = 99}, {.state = &state, .newest = &newest});
  EXPECT_EQ(decision.action, Action::kReject);
  EXPECT_EQ(decision.gate, "size");
}

TEST(RolloutOfCanary, IsKeptUnlessItsContentChanges) {
  CacheState state{.serving_version = 5};
  state.canary_version = 6;
  state.cached[6] = Published(6);
  const Manifest newest = Published(6);
  EXPECT_EQ(DecideRollout({}, {.state = &state, .newest = &newest}).action, Action::kKeep);
  EXPECT_EQ(DecideRollout({}, {.state = &state, .newest = &newest, .reload = true}).action,
            Action::kKeep);
  const Manifest changed = Published(6, 'b');
  EXPECT_EQ(DecideRollout({}, {.state = &state, .newest = &changed}).action, Action::kReject);
  const Manifest newer = Published(7);
  EXPECT_EQ(DecideRollout({}, {.state = &state, .newest = &newer}).action, Action::kLoad);
}

CacheState WithHeld(uint64_t version, GateReport::Verdict verdict) {
  CacheState state{.serving_version = 5};
  state.held = {.manifest = Published(version),
                .report = {.verdict = verdict, .detail = "odd"},
                .gate = kShadowGate,
                .why = "odd"};
  return state;
}

RolloutDecision DecideOnHeld(const CacheState& state, const Manifest& newest,
                             bool enough_requests = true, bool reload = false) {
  return DecideRollout(
      {},
      {.state = &state, .newest = &newest, .reload = reload, .enough_requests = enough_requests});
}

TEST(RolloutOfHeld, WaitsForAnOperatorAndSaysSo) {
  const CacheState state = WithHeld(6, GateReport::Verdict::kHeld);
  const RolloutDecision decision = DecideOnHeld(state, Published(6));
  EXPECT_EQ(decision.action, Action::kKeep);
  EXPECT_EQ(decision.gate, "shadow");
  EXPECT_EQ(decision.why, "version 6 is held: odd");
}

TEST(RolloutOfHeld, TriesWhatIsSomethingElseOrAskedFor) {
  const CacheState state = WithHeld(6, GateReport::Verdict::kHeld);
  EXPECT_EQ(DecideOnHeld(state, Published(7)).action, Action::kLoad);
  EXPECT_EQ(DecideOnHeld(state, Published(6, 'b')).action, Action::kLoad);
  EXPECT_EQ(DecideOnHeld(state, Published(6), true, /*reload=*/true).action, Action::kLoad);
  CacheState nothing_serves = state;
  nothing_serves.serving_version = 0;
  EXPECT_EQ(DecideOnHeld(nothing_serves, Published(6)).action, Action::kLoad);
}

TEST(RolloutOfHeld, JudgesAgainWhenThereWereTooFewRequestsAndNowAreEnough) {
  const CacheState state = WithHeld(6, GateReport::Verdict::kTooFewRequests);
  EXPECT_EQ(DecideOnHeld(state, Published(6), /*enough_requests=*/false).action, Action::kKeep);
  EXPECT_EQ(DecideOnHeld(state, Published(6), /*enough_requests=*/true).action, Action::kLoad);
}

CacheState WithCached(std::initializer_list<uint64_t> versions) {
  CacheState state;
  for (const uint64_t version : versions) state.cached[version] = Published(version);
  return state;
}

TEST(RestartOrder, ServesWhatServedThenTheNewest) {
  CacheState state = WithCached({1, 2, 3, 4, 5});
  state.serving_version = 3;
  state.previous_version = 2;
  EXPECT_THAT(RestartOrder(state), ElementsAre(3, 2, 5, 4, 1));
}

TEST(RestartOrder, PutsThePinnedVersionFirstAndTheOneSetAsideLast) {
  CacheState state = WithCached({1, 2, 3, 4});
  state.pinned_version = 1;
  state.serving_version = 3;
  state.previous_version = state.set_aside_version = 4;
  EXPECT_THAT(RestartOrder(state), ElementsAre(1, 3, 2, 4));
}

TEST(RestartOrder, PutsTheHeldVersionBehindEverything) {
  CacheState state = WithCached({1, 2, 3, 4});
  state.serving_version = 2;
  state.set_aside_version = 3;
  state.held = {.manifest = Published(4)};
  EXPECT_THAT(RestartOrder(state), ElementsAre(2, 1, 3, 4));
}

TEST(RestartOrder, PutsTheCanaryBehindWhatServedAll) {
  CacheState state = WithCached({1, 2, 3, 4});
  state.serving_version = 2;
  state.previous_version = 1;
  state.set_aside_version = 3;
  state.canary_version = 4;
  EXPECT_THAT(RestartOrder(state), ElementsAre(2, 1, 3, 4));
}

TEST(VersionsToRemove, KeepsTheCanary) {
  CacheState state = WithCached({1, 2, 3, 4});
  state.serving_version = 4;
  state.canary_version = 1;
  EXPECT_THAT(VersionsToRemove(state, 2), ElementsAre(2, 3));
}

TEST(VersionsToRemove, KeepsTheHeldOne) {
  CacheState state = WithCached({1, 2, 3, 4});
  state.serving_version = 4;
  state.held = {.manifest = Published(1)};
  EXPECT_THAT(VersionsToRemove(state, 2), ElementsAre(2, 3));
}

TEST(RestartOrder, NamesOnlyWhatIsInTheCache) {
  CacheState state = WithCached({2});
  state.serving_version = 3;
  EXPECT_THAT(RestartOrder(state), ElementsAre(2));
  EXPECT_THAT(RestartOrder({}), IsEmpty());
}

TEST(VersionsToRemove, RemovesTheOldestBeyondTheLimit) {
  CacheState state = WithCached({1, 2, 3, 4, 5});
  state.serving_version = 5;
  state.previous_version = 4;
  EXPECT_THAT(VersionsToRemove(state, 3), ElementsAre(1, 2));
  EXPECT_THAT(VersionsToRemove(state, 10), IsEmpty());
}

TEST(VersionsToRemove, NeverTakesWhatServesCouldServeOrIsPinned) {
  CacheState state = WithCached({1, 2, 3, 4, 5});
  state.serving_version = 1;
  state.previous_version = 5;
  state.pinned_version = 2;
  EXPECT_THAT(VersionsToRemove(state, 2), ElementsAre(3, 4));
  EXPECT_THAT(VersionsToRemove(state, 4), ElementsAre(3));
}

}  // namespace
}  // namespace fmserve::loader
