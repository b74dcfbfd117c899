// fm diff and fm patch: what turns one weight file into another, and doing so.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "loader/delta.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kBytesPerMebibyte = uint64_t{1} << 20;

struct DiffArguments {
  std::string base;
  std::string other;  // the new file, or the delta
  std::string out;
  uint64_t max_mib = 0;  // 0: no limit
  bool json = false;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int RunDiff(const DiffArguments& arguments) {
  const Clock::time_point start = Clock::now();
  const absl::StatusOr<loader::DeltaSummary> made =
      loader::MakeDelta(arguments.base, arguments.other, arguments.out, model::NeverStop);
  if (!made.ok()) return Fail("diff", made.status());
  const double share =
      static_cast<double>(made->size_bytes) / static_cast<double>(made->result_bytes);
  if (arguments.json) {
    PrintJson({{"out", arguments.out},
               {"bytes", made->size_bytes},
               {"sha256", made->sha256},
               {"base_sha256", made->base_sha256},
               {"result_sha256", made->result_sha256},
               {"result_bytes", made->result_bytes},
               {"share", share},
               {"changed", made->rows.changed},
               {"added", made->rows.added},
               {"removed", made->rows.removed},
               {"seconds", SecondsSince(start)}});
  } else {
    std::cout << absl::StrFormat(
        "%s: %s, %.1f %% of %s; rows: %d changed, %d new, %d removed; %.2f s\n", arguments.out,
        FormatBytes(made->size_bytes), 100.0 * share, FormatBytes(made->result_bytes),
        made->rows.changed, made->rows.added, made->rows.removed, SecondsSince(start));
  }
  return kDone;
}

int RunPatch(const DiffArguments& arguments) {
  const Clock::time_point start = Clock::now();
  const uint64_t max_bytes = arguments.max_mib == 0 ? std::numeric_limits<uint64_t>::max()
                                                    : arguments.max_mib * kBytesPerMebibyte;
  const absl::StatusOr<loader::DeltaSummary> applied = loader::ApplyDelta(
      arguments.base, arguments.other, arguments.out, max_bytes, model::NeverStop);
  if (!applied.ok()) return Fail("patch", applied.status());
  if (arguments.json) {
    PrintJson({{"out", arguments.out},
               {"bytes", applied->result_bytes},
               {"sha256", applied->result_sha256},
               {"base_sha256", applied->base_sha256},
               {"delta_bytes", applied->size_bytes},
               {"seconds", SecondsSince(start)}});
  } else {
    std::cout << absl::StrFormat("%s: %s, sha256 %s; %.2f s\n", arguments.out,
                                 FormatBytes(applied->result_bytes), applied->result_sha256,
                                 SecondsSince(start));
  }
  return kDone;
}

void AddCommon(CLI::App& command, DiffArguments& arguments) {
  command.add_option("base", arguments.base, "Weight file that is there already")
      ->required()
      ->type_name("BASE.fmw");
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

}  // namespace

void AddDiff(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<DiffArguments>();
  CLI::App* command =
      app.add_subcommand("diff", "Write the delta that turns one weight file into another.");
  AddCommon(*command, *arguments);
  command->add_option("new", arguments->other, "Weight file that the delta is to make")
      ->required()
      ->type_name("NEW.fmw");
  command->add_option("--out", arguments->out, "Delta to write")->required()->type_name("D.fmd");
  command->footer("Example:\n  fm diff monday.fmw tuesday.fmw --out tuesday.fmd");
  command->callback([arguments, &exit_code] { exit_code = RunDiff(*arguments); });
}

void AddPatch(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<DiffArguments>();
  CLI::App* command = app.add_subcommand(
      "patch", "Apply a delta to its base: the result is the new file, byte by byte.");
  AddCommon(*command, *arguments);
  command->add_option("delta", arguments->other, "Delta for that file")
      ->required()
      ->type_name("D.fmd");
  command->add_option("--out", arguments->out, "Weight file to write")
      ->required()
      ->type_name("NEW.fmw");
  command
      ->add_option("--max-mib", arguments->max_mib,
                   "Write nothing if the file would be larger than so many MiB")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30));
  command->footer("Example:\n  fm patch monday.fmw tuesday.fmd --out tuesday.fmw");
  command->callback([arguments, &exit_code] { exit_code = RunPatch(*arguments); });
}

}  // namespace fmserve::tools
