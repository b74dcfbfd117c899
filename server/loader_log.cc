#include "server/loader_log.h"

#include <chrono>
#include <utility>

#include "absl/strings/string_view.h"
#include "grpc/support/log.h"
#include "loader/cache_state.h"
#include "server/log.h"

namespace fmserve::server {
namespace {

constexpr double kGrpcLinesPerSecond = 10.0;

using Kind = loader::LoaderEvent::Kind;

std::pair<LogLevel, absl::string_view> Describe(Kind kind) {
  switch (kind) {
    case Kind::kPublished:
      return {LogLevel::kInfo, "version_published"};
    case Kind::kRejected:
      return {LogLevel::kError, "version_rejected"};
    case Kind::kRolledBack:
      return {LogLevel::kWarning, "version_rolled_back"};
    case Kind::kPinned:
      return {LogLevel::kInfo, "version_pinned"};
    case Kind::kUnpinned:
      return {LogLevel::kInfo, "version_unpinned"};
    case Kind::kHeld:
      return {LogLevel::kError, "version_held"};
    case Kind::kApproved:
      return {LogLevel::kWarning, "version_approved"};
    case Kind::kCanaryStarted:
      return {LogLevel::kInfo, "canary_started"};
    case Kind::kCanaryEnded:
      return {LogLevel::kWarning, "canary_ended"};
    case Kind::kFailed:
      return {LogLevel::kWarning, "load_failed"};
    case Kind::kDeltaFailed:
      return {LogLevel::kWarning, "delta_failed"};
    case Kind::kWatchPassed:
      return {LogLevel::kInfo, "watch_passed"};
    case Kind::kWatchFailed:
      return {LogLevel::kError, "watch_failed"};
    case Kind::kRecovered:
      break;
  }
  return {LogLevel::kInfo, "load_recovered"};
}

void LogForGrpc(gpr_log_func_args* args) {
  static LogLimiter& limiter =
      *new LogLimiter(kGrpcLinesPerSecond);  // gRPC logs until the process ends
  uint64_t suppressed = 0;
  if (!limiter.Allow(std::chrono::steady_clock::now(), &suppressed)) return;
  const LogLevel level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kInfo;
  Log(level, "grpc",
      {{"file", args->file},
       {"line", args->line},
       {"message", args->message},
       {"suppressed_lines", suppressed}});
}

}  // namespace

void LogLoaderEvent(const loader::LoaderEvent& event) {
  const auto [level, name] = Describe(event.kind);
  // Where every version waits for an operator, that one does is no error.
  const bool expected = event.kind == Kind::kHeld && event.reason == loader::kRolloutGate;
  Log(expected ? LogLevel::kInfo : level, name,
      {{"model", event.model},
       {"artifact", loader::ArtifactName(event.artifact)},
       {"version", event.version},
       {"reason", event.reason},
       {"detail", event.detail},
       {"who", event.who}});
}

void RedirectGrpcLog() { gpr_set_log_function(LogForGrpc); }

}  // namespace fmserve::server
