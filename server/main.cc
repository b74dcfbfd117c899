// fmserve: serves factorization machines. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad
// configuration.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/synchronization/mutex.h"
#include "server/config.h"
#include "server/log.h"
#include "server/server.h"

namespace fmserve::server {
namespace {

enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kBadConfig = 3 };

// SIGTERM and SIGINT wait for sigwait() in all threads that are started from here on.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a client that went away is an error of write()
  signal(SIGXFSZ, SIG_IGN);  // and so is a file that may not grow
  return signals;
}

int Serve(const v1::ServerConfig& config) {
  // Debian's Abseil is built with its checks, and looks for deadlocks in one graph of all mutexes,
  // gRPC's included: a twentieth of a request, and a lock that all threads share.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const sigset_t stop_signals = BlockStopSignals();
  const auto server = Server::Start(config);
  if (!server.ok()) {
    Log(LogLevel::kError, "start_failed", {{"message", server.status().message()}});
    return kFailed;
  }
  int received = 0;
  sigwait(&stop_signals, &received);
  Log(LogLevel::kInfo, "signal_received", {{"signal", sigabbrev_np(received)}});
  // A second signal ends the process at once.
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  (*server)->Drain();
  // Not by way of destructors: they wait for a read of a store that may hang for ever. What is to
  // be kept has been saved.
  std::_Exit(kDone);
}

int Main(int argc, char** argv) {
  CLI::App app("Serves factorization machines over gRPC, with hot-swapped weights.");
  app.footer(
      "Example:\n  fmserve --config fmserve.yaml\n\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad configuration.\n"
      "docs/operators.md describes the configuration.");
  std::string config_path;
  bool check_config = false;
  app.add_option("--config", config_path, "Configuration file (YAML)")
      ->required()
      ->type_name("FILE");
  app.add_flag("--check-config", check_config, "Check the configuration file and exit");
  app.set_version_flag("--version", "fmserve " FMSERVE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kWrongUsage;
  }
  const auto config = LoadConfig(config_path);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return kBadConfig;
  }
  if (check_config) {
    std::printf("%s: ok\n", config_path.c_str());
    return kDone;
  }
  return Serve(*config);
}

}  // namespace
}  // namespace fmserve::server

int main(int argc, char** argv) { return fmserve::server::Main(argc, argv); }
