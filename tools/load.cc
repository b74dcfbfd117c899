// fm load: real requests at a fixed rate, and how long each took from when it was due.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/exit_codes.h"
#include "tools/json_output.h"
#include "tools/load/generator.h"
#include "tools/load/report.h"
#include "tools/load/requests.h"
#include "tools/load/verify.h"

namespace fmserve::tools {
namespace {

constexpr std::chrono::seconds kDefaultDuration{10};

struct LoadArguments {
  LoadOptions options;
  std::string model;
  std::string schema;
  std::string data;
  RequestForm form = RequestForm::kPacked;
  size_t candidates = 200;
  std::string id_field;  // candidates are ids, values of this field; "": they are features
  uint32_t top_k = 0;    // of the catalogue; 0: predictions of candidates
  size_t distinct_requests = 1000;
  size_t max_rows = 100'000;
  uint32_t budget_ms = 0;
  bool uniform = false;
  std::string records;
  std::string verify_store;
  bool json = false;
};

std::atomic<bool> interrupted = false;

// Ctrl-C ends the run, and the report still comes.
void EndOnSignals() {
  const auto handler = [](int) { interrupted.store(true); };
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

template <typename Request>
std::string SerializeFor(const LoadArguments& arguments, Request request) {
  request.set_model(arguments.model);
  request.set_budget_ms(arguments.budget_ms);
  return request.SerializeAsString();
}

absl::StatusOr<std::vector<std::string>> PrepareRequests(const LoadArguments& arguments,
                                                         ClickLog& log) {
  std::optional<size_t> id_field;
  if (!arguments.id_field.empty()) {
    const auto found = FindIdField(log.schema, arguments.id_field);
    if (!found.ok()) return found.status();
    if (absl::Status status = KeepOneItemPerId(*found, &log); !status.ok()) return status;
    id_field = *found;
  }
  std::vector<std::string> requests;
  for (size_t i = 0; i < arguments.distinct_requests; ++i) {
    const RequestPlan plan = PlanRequest(log, i, arguments.candidates);
    if (arguments.top_k > 0) {
      requests.push_back(SerializeFor(
          arguments, BuildTopKRequest(log, plan.context, arguments.form, arguments.top_k)));
    } else if (id_field) {
      requests.push_back(
          SerializeFor(arguments, BuildItemsRequest(log, plan, arguments.form, *id_field)));
    } else {
      requests.push_back(SerializeFor(arguments, BuildRequest(log, plan, arguments.form)));
    }
  }
  return requests;
}

LoadOptions CompleteOptions(const LoadArguments& arguments) {
  LoadOptions options = arguments.options;
  options.method = arguments.top_k > 0 ? LoadMethod::kTopK : LoadMethod::kPredict;
  options.arrivals = arguments.uniform ? Arrivals::kUniform : Arrivals::kPoisson;
  options.keep_records = !arguments.records.empty() || !arguments.verify_store.empty();
  const bool ends =
      options.duration.count() > 0 || !options.until_file.empty() || options.max_requests > 0;
  if (!ends) options.duration = kDefaultDuration;
  return options;
}

int FailWith(int exit_code, const absl::Status& status) {
  std::cerr << "fm load: " << status.message() << "\n";
  return exit_code;
}

int RunLoadCommand(const LoadArguments& arguments) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as in server/main.cc
  auto log = ReadClickLog(arguments.schema, arguments.data, arguments.max_rows);
  if (!log.ok()) return Fail("load", log.status());
  const auto requests = PrepareRequests(arguments, *log);
  if (!requests.ok()) return Fail("load", requests.status());
  EndOnSignals();
  const auto result = RunLoad(CompleteOptions(arguments), *requests, interrupted);
  if (!result.ok()) return FailWith(kFailed, result.status());

  std::optional<VerifyResult> verified;
  absl::Status verifying;
  if (!arguments.verify_store.empty()) {
    auto checked = VerifyResponses(result->records, *log, arguments.candidates,
                                   arguments.verify_store, arguments.model);
    verifying = checked.status();
    if (checked.ok()) verified = *std::move(checked);
  }
  if (arguments.json) {
    PrintJson(LoadReportJson(*result, verified));
  } else {
    std::cout << LoadReportText(*result, verified);
  }
  // What went wrong beside the run comes after its figures.
  if (!arguments.records.empty()) {
    if (absl::Status status = WriteRecords(*result, arguments.records); !status.ok())
      return FailWith(kFailed, status);
  }
  if (!verifying.ok()) return Fail("load", verifying);
  const bool wrong = verified && verified->wrong > 0;
  if (wrong) std::cerr << "fm load: wrong predictions: " << verified->first_wrong << "\n";
  return wrong || result->ok == 0 ? kFailed : kDone;
}

void AddRequestOptions(CLI::App& command, LoadArguments& arguments) {
  static const std::map<std::string, RequestForm> forms = {{"packed", RequestForm::kPacked},
                                                           {"features", RequestForm::kFeatures}};
  command.add_option("--model", arguments.model, "Name of the model")
      ->required()
      ->type_name("NAME");
  command.add_option("--schema", arguments.schema, "Schema of the data")
      ->required()
      ->type_name("S.yaml");
  command.add_option("--data", arguments.data, "Rows that requests are made of")
      ->required()
      ->type_name("FILE");
  CLI::Option* candidates =
      command.add_option("--candidates", arguments.candidates, "Candidates per request")
          ->capture_default_str()
          ->check(CLI::Range(1, 1'000'000));
  CLI::Option* items =
      command
          .add_option("--items", arguments.id_field,
                      "Name candidates by their ids in the catalogue: the values of this field")
          ->type_name("FIELD");
  command
      .add_option("--top-k", arguments.top_k,
                  "Ask for the best K items of the catalogue instead of for predictions")
      ->check(CLI::Range(1, 1000))
      ->excludes(candidates)
      ->excludes(items);
  command.add_option("--form", arguments.form, "Keys, or names and values; packed if not given")
      ->transform(CLI::CheckedTransformer(forms).description("packed|features"))
      ->type_name("FORM");
  command.add_option("--distinct", arguments.distinct_requests, "Different requests, sent in turn")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  command.add_option("--max-rows", arguments.max_rows, "Rows read from the data at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      .add_option("--budget-ms", arguments.budget_ms,
                  "Time asked for in each request; 0: the server's")
      ->capture_default_str();
}

void AddRunOptions(CLI::App& command, LoadOptions& options) {
  command.add_option("--target", options.target, "Server: HOST:PORT or unix:PATH")
      ->required()
      ->type_name("ADDRESS");
  CLI::Option* rate =
      command.add_option("--rate", options.rate_per_s, "Requests per second")
          ->capture_default_str()
          ->check(CLI::Range(0.001, 1e6))
          ->check([](const std::string& text) {
            return text.find_first_not_of("0123456789.eE+-") == std::string::npos
                       ? ""
                       : text + " is not a number";  // CLI11 lets NaN pass any range
          });
  command
      .add_option("--closed-loop", options.closed_loop,
                  "Keep so many requests outstanding instead of a rate")
      ->check(CLI::Range(1, 100'000))
      ->excludes(rate);
  AddDurationOption(command, "--duration", options.duration,
                    "When to end; 10s if nothing else ends the run");
  command.add_option("--until-file", options.until_file, "End when this file exists")
      ->type_name("PATH");
  command.add_option("--count", options.max_requests, "End after so many requests");
  AddDurationOption(command, "--timeout", options.timeout,
                    "Deadline of each request; 1s if not given");
  command.add_option("--connections", options.connections, "Connections to the server")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--max-outstanding", options.max_outstanding,
                  "Requests beyond are a client_overload error")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", options.seed, "Another seed, other send times")
      ->capture_default_str();
}

}  // namespace

void AddLoad(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<LoadArguments>();
  CLI::App* command = app.add_subcommand("load",
                                         "Send real requests at a fixed rate, whatever the server "
                                         "does, and report throughput, errors and latency.");
  AddRunOptions(*command, arguments->options);
  AddRequestOptions(*command, *arguments);
  command->add_flag("--uniform", arguments->uniform,
                    "Equal gaps between requests instead of random (Poisson) ones");
  command
      ->add_option("--records", arguments->records,
                   "Write time, latency, outcome and version of every request")
      ->type_name("F.tsv");
  command
      ->add_option(
          "--verify-store", arguments->verify_store,
          "Afterwards compare every response with the weight file of its version in this store")
      ->type_name("DIR")
      ->excludes("--items")
      ->excludes("--top-k");
  command->add_flag("--json", arguments->json, "Print one JSON object on standard output");
  command->footer(
      "Latency counts from when a request was due. Exit code 1 also when nothing was answered or a "
      "response is wrong.\n"
      "Example:\n  fm load --target 127.0.0.1:8500 --model ctr --schema log/schema.yaml --data "
      "log/test.tsv \\\n"
      "      --rate 2000 --duration 30s --candidates 200");
  command->callback([arguments, &exit_code] { exit_code = RunLoadCommand(*arguments); });
}

}  // namespace fmserve::tools
