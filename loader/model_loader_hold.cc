// The part of the state machine for versions that are held until an operator decides.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/model_loader_impl.h"

namespace fmserve::loader {
namespace {

using Kind = LoaderEvent::Kind;
using Verdict = GateReport::Verdict;

constexpr std::chrono::milliseconds kRejectSavePatience{1000};

const char* ResultName(const Prepared& prepared) {
  if (prepared.held_by == kShadowGate) return "held";
  return prepared.report->verdict == Verdict::kPassed ? "passed" : "too_few_requests";
}

}  // namespace

void ModelLoader::Impl::CountGate(std::string_view gate, std::string_view result) {
  ++gate_results_[{std::string(gate), std::string(result)}];
}

void ModelLoader::Impl::RecordGates(const Prepared& prepared) {
  for (const std::string_view gate : prepared.gates_passed) CountGate(gate, "passed");
  if (prepared.held_by == kRolloutGate) CountGate(kRolloutGate, "held");
  if (!prepared.report) return;
  CountGate(kShadowGate, ResultName(prepared));
  last_report_ = prepared.report;
}

bool ModelLoader::Impl::HasEnoughRequests() const {
  return options_.requests.count && options_.requests.count(0) >= options_.shadow.min_requests;
}

absl::Status ModelLoader::Impl::OnHeld(const Prepared& prepared) {
  RecordSuccess();
  KeepInCache(Artifact::kWeights, prepared);
  const uint64_t version = prepared.manifest.version;
  if (state_.weights.held && state_.weights.held->manifest.version != version)
    SupersedeHold(version);
  last_error_ = absl::StrCat("version ", version, " is held: ", prepared.held_why);
  Emit(Kind::kHeld, version, prepared.held_by, prepared.held_why, Artifact::kWeights,
       GateOf(prepared.held_by));
  state_.weights.held = {.manifest = prepared.manifest,
                         .report = prepared.report.value_or(GateReport{}),
                         .since_unix_us = UnixMicros(),
                         .gate = std::string(prepared.held_by),
                         .why = prepared.held_why};
  RemoveOldVersions();
  return absl::FailedPreconditionError(last_error_);
}

void ModelLoader::Impl::EndHold(uint64_t version) {
  if (!state_.weights.held) return;
  const uint64_t held = state_.weights.held->manifest.version;
  if (held == version) state_.weights.held.reset();
  if (held < version) SupersedeHold(version);
}

void ModelLoader::Impl::SupersedeHold(uint64_t version) {
  const Hold hold = *std::exchange(state_.weights.held, std::nullopt);
  const uint64_t held = hold.manifest.version;
  RecordRejection({.version = held,
                   .sha256 = hold.manifest.sha256,
                   .gate = hold.gate,
                   .detail = absl::StrCat("it was held (", hold.why, ") until version ", version,
                                          " was published"),
                   .size_bytes = hold.manifest.size_bytes,
                   .published_unix_us = hold.manifest.published_unix_us});
  last_error_.clear();
  if (held != state_.weights.previous_version) Forget(Artifact::kWeights, held);
}

absl::Status ModelLoader::Impl::CheckHeld(uint64_t version) const {
  if (stopping_) return absl::UnavailableError("the loader has been stopped");
  const std::optional<Hold>& held = state_.weights.held;
  if (held && held->manifest.version == version) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "version ", version, " is not held; ",
      held ? absl::StrCat("version ", held->manifest.version, " is") : "none is",
      HasCanary() ? absl::StrCat("; version ", state_.weights.canary_version, " is the canary")
                  : ""));
}

absl::Status ModelLoader::Impl::Approve(uint64_t version, Clock::time_point deadline,
                                        const std::string& who) {
  Lock lock(mutex_);
  const bool canary = HasCanary() && version == state_.weights.canary_version && !stopping_;
  if (absl::Status status = CheckHeld(version); !canary && !status.ok()) return status;
  if (state_.weights.pinned_version != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "version ", state_.weights.pinned_version, " is pinned; unpin it first, or pin ", version));
  }
  if (pin_request_) {
    FinishPin(pin_request_->version, absl::AbortedError(absl::StrCat("an approval of version ",
                                                                     version, " came in between")));
  }
  state_.weights.rolled_back_version = 0;
  if (canary) {
    ApproveCanary(lock, who);
    return absl::OkStatus();
  }
  CountGate(kOperatorGate, "approved");
  Emit(Kind::kApproved, version, kOperatorGate,
       absl::StrCat("it was held: ", state_.weights.held->why), Artifact::kWeights, who);
  const TicketPtr ticket = std::make_shared<Ticket>();
  pin_request_ = {version, ticket, /*pins=*/false, who};
  if (worker_ != nullptr && loading_version_ != version) worker_->Cancel();
  wake_.notify_one();
  return Await(lock, ticket, deadline);
}

absl::Status ModelLoader::Impl::Reject(uint64_t version, const std::string& reason,
                                       const std::string& who) {
  if (reason.empty() || reason.size() > kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("reason: ", reason.size(), " bytes; 1 to ", kMaxReasonBytes, " are allowed"));
  }
  Lock lock(mutex_);
  if (!stopping_ && EndCanary(version, kOperatorGate, reason, who)) {
    AwaitSaved(lock, kRejectSavePatience);
    return absl::OkStatus();
  }
  if (absl::Status status = CheckHeld(version); !status.ok()) return status;
  if (loading_version_ == version || (pin_request_ && pin_request_->version == version)) {
    return absl::FailedPreconditionError(
        absl::StrCat("version ", version, " is being prepared again; wait until that is done"));
  }
  const Hold hold = *std::exchange(state_.weights.held, std::nullopt);
  RecordRejection({.version = version,
                   .sha256 = hold.manifest.sha256,
                   .gate = kOperatorGate,
                   .detail = reason,
                   .size_bytes = hold.manifest.size_bytes,
                   .published_unix_us = hold.manifest.published_unix_us},
                  who);
  if (version != state_.weights.previous_version) Forget(Artifact::kWeights, version);
  AwaitSaved(lock, kRejectSavePatience);
  return absl::OkStatus();
}

absl::StatusOr<GateReport> ModelLoader::Impl::GetGateReport(uint64_t version) const {
  const Lock lock(mutex_);
  const std::optional<Hold>& held = state_.weights.held;
  const uint64_t reported = held ? held->report.version : 0;
  if (reported != 0 && (version == 0 || version == reported)) return held->report;
  if (last_report_ && (version == 0 || version == last_report_->version)) return *last_report_;
  return absl::NotFoundError(
      version == 0 ? "no version was compared with another one since the start"
                   : absl::StrCat("there is no report of version ", version,
                                  ": only of the one that is held or was compared last"));
}

}  // namespace fmserve::loader
