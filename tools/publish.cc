// fm publish, fm catalogue publish: makes a weight file or a catalogue the newest of a model.
#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "loader/publisher.h"
#include "model/kernels/kernels.h"
#include "tools/catalogue_command.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/s3_options.h"

namespace fmserve::tools {
namespace {

struct PublishArguments {
  std::string path;
  loader::PublishOptions options;
  bool json = false;
};

using Publisher = std::function<absl::StatusOr<loader::Manifest>(const PublishArguments&)>;

absl::StatusOr<loader::Manifest> PublishWithProgress(PublishArguments arguments,
                                                     const Publisher& publish) {
  std::optional<Progress> progress;
  arguments.options.progress = [&](uint64_t done_bytes, uint64_t all_bytes) {
    if (!progress)
      progress.emplace("publishing " + arguments.path, all_bytes, ProgressUnit::kBytes);
    progress->Update(done_bytes);
  };
  arguments.options.without_delta = [&](const absl::Status& why) {
    if (progress) progress->Clear();
    std::cerr << "fm publish: goes on without a delta: " << why.message() << "\n";
  };
  return publish(arguments);
}

// `what`: for the line that says what was published.
int RunPublish(const PublishArguments& arguments, const char* command, const char* what,
               const Publisher& publish) {
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<loader::Manifest> manifest = PublishWithProgress(arguments, publish);
  if (!manifest.ok()) return Fail(command, manifest.status());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (arguments.json) {
    Json report = {{"model", manifest->model},
                   {"version", manifest->version},
                   {"bytes", manifest->size_bytes},
                   {"sha256", manifest->sha256},
                   {"seconds", seconds}};
    for (const loader::ManifestDelta& delta : manifest->deltas) {
      report["deltas"].push_back(
          {{"base_version", delta.base_version}, {"bytes", delta.size_bytes}});
    }
    PrintJson(report);
  } else {
    std::cout << absl::StrFormat("published %s %s %d: %s in %.2f s, sha256 %s\n", manifest->model,
                                 what, manifest->version, FormatBytes(manifest->size_bytes),
                                 seconds, manifest->sha256);
    for (const loader::ManifestDelta& delta : manifest->deltas) {
      std::cout << absl::StrFormat("  with a delta from version %d: %s\n", delta.base_version,
                                   FormatBytes(delta.size_bytes));
    }
  }
  return kDone;
}

absl::StatusOr<loader::Manifest> PublishWeights(const PublishArguments& arguments) {
  const auto kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  return loader::Publish(arguments.path, arguments.options, **kernels);
}

absl::StatusOr<loader::Manifest> PublishItems(const PublishArguments& arguments) {
  return loader::PublishCatalogue(arguments.path, arguments.options);
}

void AddStoreOptions(CLI::App& command, PublishArguments& arguments) {
  loader::PublishOptions& options = arguments.options;
  command
      .add_option("--store", options.store,
                  "The store: a folder, created if it is missing, or s3://BUCKET/PREFIX")
      ->required()
      ->type_name("STORE");
  command.add_option("--model", options.model, "Name of the model")->required()->type_name("NAME");
  AddDurationOption(
      command, "--lock-patience", options.lock_patience,
      "How long to wait for another publisher of this model, in a folder; 10s if not given");
  AddS3Options(command, options.s3);
  command.add_flag("--json", arguments.json, "Print one JSON object on standard output");
}

}  // namespace

void AddPublish(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PublishArguments>();
  loader::PublishOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "publish", "Verify a weight file and make it the newest version of a model in a store.");
  command->add_option("file", arguments->path, "Weight file")->required()->type_name("M.fmw");
  AddStoreOptions(*command, *arguments);
  command
      ->add_option("--golden-tolerance", options.golden_tolerance,
                   "Largest difference of a golden score, relative from 1 on")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--allow-no-goldens", options.allow_no_goldens,
                    "Publish a file without golden requests too");
  const auto parse_delta = [&options](const std::string& from) {
    using DeltaFrom = loader::PublishOptions::DeltaFrom;
    options.delta_from = from == "auto"   ? DeltaFrom::kAuto
                         : from == "none" ? DeltaFrom::kNone
                                          : DeltaFrom::kFile;
    if (options.delta_from == DeltaFrom::kFile) options.delta_base = from;
  };
  command
      ->add_option_function<std::string>(
          "--delta-from", parse_delta,
          "Leave a delta for servers that have: auto, the version before (which is fetched, if the "
          "store is in S3); none; or a file of the store")
      ->default_str("auto")
      ->type_name("auto|none|PREV.fmw");
  command->footer(
      "Examples:\n  fm publish ctr.fmw --store /srv/models --model ctr\n"
      "  fm publish ctr.fmw --store s3://models/ads --model ctr --region eu-central-1");
  command->callback([arguments, &exit_code] {
    exit_code = RunPublish(*arguments, "publish", "version", PublishWeights);
  });
}

void AddCataloguePublish(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<PublishArguments>();
  CLI::App* command = app.add_subcommand(
      "publish", "Verify a catalogue and make it the newest one of a model in a store.");
  command->add_option("file", arguments->path, "Catalogue")->required()->type_name("C.fmc");
  AddStoreOptions(*command, *arguments);
  command->footer("Example:\n  fm catalogue publish ads.fmc --store /srv/models --model ctr");
  command->callback([arguments, &exit_code] {
    exit_code = RunPublish(*arguments, "catalogue publish", "catalogue version", PublishItems);
  });
}

}  // namespace fmserve::tools
