// fm request: one request to a server, and its candidates from best to worst.
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fmserve/v1/prediction.grpc.pb.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/exit_codes.h"
#include "tools/format.h"
#include "tools/json_output.h"
#include "tools/load/requests.h"
#include "tools/operator_command.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::PredictResponse;
using model::Side;

struct RequestArguments {
  OperatorArguments common;
  std::string schema;
  std::string data;
  size_t row = 1;
  size_t candidates = 200;
  size_t top = 10;
};

absl::StatusOr<PredictResponse> Send(const OperatorArguments& arguments,
                                     fmserve::v1::PredictRequest request) {
  const auto stub = fmserve::v1::PredictionService::NewStub(
      grpc::CreateChannel(arguments.target, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + arguments.timeout);
  request.set_model(arguments.model);
  PredictResponse response;
  const grpc::Status status = stub->Predict(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, arguments.target);
  return response;
}

// The scored candidates from best to worst, at most `top`.
std::vector<size_t> Rank(const PredictResponse& response, size_t top) {
  std::vector<size_t> order(
      std::min<size_t>(response.scored_count(), static_cast<size_t>(response.predictions_size())));
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return response.predictions(static_cast<int>(a)) > response.predictions(static_cast<int>(b));
  });
  order.resize(std::min(order.size(), top));
  return order;
}

// Names and cells of the fields of one side.
std::vector<std::pair<std::string, std::string>> SideOf(const model::FeatureSchema& schema,
                                                        Side side, const Cells& row) {
  std::vector<std::pair<std::string, std::string>> cells;
  for (size_t f = 0; f < schema.size(); ++f) {
    if (schema.field(f).side == side) cells.emplace_back(schema.field(f).name, row[f]);
  }
  return cells;
}

Json Object(const std::vector<std::pair<std::string, std::string>>& cells) {
  Json object = Json::object();
  for (const auto& [name, cell] : cells) object[name] = cell;
  return object;
}

void PrintAsJson(const ClickLog& log, const RequestPlan& plan, const PredictResponse& response,
                 size_t top) {
  Json ranked = Json::array();
  for (size_t c : Rank(response, top)) {
    ranked.push_back(
        {{"prediction", response.predictions(static_cast<int>(c))},
         {"features", Object(SideOf(log.schema, Side::kItem, log.items[plan.items[c]]))}});
  }
  PrintJson({{"model", response.model()},
             {"version", response.version()},
             {"context", Object(SideOf(log.schema, Side::kContext, log.contexts[plan.context]))},
             {"candidates", plan.items.size()},
             {"scored", response.scored_count()},
             {"unknown_features", response.unknown_features_count()},
             {"ranked", ranked}});
}

// Long lists of values are cut, between values: a table is for people.
std::string Shorten(const std::string& cell) {
  constexpr size_t kLongest = 60;
  if (cell.size() <= kLongest) return cell;
  return cell.substr(0, std::min(cell.rfind('|', kLongest), kLongest)) + "...";
}

void PrintAsTable(const ClickLog& log, const RequestPlan& plan, const PredictResponse& response,
                  size_t top) {
  std::string context;
  for (const auto& [name, cell] : SideOf(log.schema, Side::kContext, log.contexts[plan.context])) {
    if (!cell.empty())
      absl::StrAppend(&context, context.empty() ? "" : ", ", name, " ", Shorten(cell));
  }
  std::vector<std::vector<std::string>> rows = {{"rank", "prediction"}};
  for (const model::Field& field : log.schema.fields()) {
    if (field.side == Side::kItem) rows[0].push_back(field.name);
  }
  for (size_t c : Rank(response, top)) {
    rows.push_back({absl::StrCat(rows.size()),
                    absl::StrFormat("%.5f", response.predictions(static_cast<int>(c)))});
    for (const auto& [name, cell] : SideOf(log.schema, Side::kItem, log.items[plan.items[c]])) {
      rows.back().push_back(Shorten(cell));
    }
  }
  std::cout << "for " << context << "\n"
            << FormatTable(rows)
            << absl::StrFormat("%d of %d candidates scored by %s version %d\n",
                               response.scored_count(), plan.items.size(), response.model(),
                               response.version());
}

int RunRequest(const RequestArguments& arguments) {
  const auto log = ReadClickLog(arguments.schema, arguments.data,
                                std::max(arguments.row, arguments.candidates) * 10);
  if (!log.ok()) return Fail("request", log.status());
  if (arguments.row > log->contexts.size()) {
    return Fail("request", absl::InvalidArgumentError(absl::StrCat("--row ", arguments.row, ": ",
                                                                   arguments.data, " has ",
                                                                   log->contexts.size(), " rows")));
  }
  RequestPlan plan =
      PlanRequest(*log, arguments.row - 1, std::min(arguments.candidates, log->items.size()));
  const auto response = Send(arguments.common, BuildRequest(*log, plan, RequestForm::kFeatures));
  if (!response.ok()) return FailRemotely("request", response.status());
  (arguments.common.json ? PrintAsJson : PrintAsTable)(*log, plan, *response, arguments.top);
  return kDone;
}

}  // namespace

void AddRequest(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<RequestArguments>();
  CLI::App* command = app.add_subcommand(
      "request", "Ask a server to score candidates for the user of one row, and print the best.");
  AddOperatorOptions(*command, arguments->common, ModelOption::kRequired);
  command->add_option("--schema", arguments->schema, "Schema of the data")
      ->required()
      ->type_name("S.yaml");
  command->add_option("--data", arguments->data, "Rows that the request is made of")
      ->required()
      ->type_name("FILE");
  command->add_option("--row", arguments->row, "Row whose user and page ask, from 1")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  command
      ->add_option("--candidates", arguments->candidates,
                   "Different candidates, as far as the data has them")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--top", arguments->top, "Candidates to print")->capture_default_str();
  command->footer(
      "Example:\n  fm request --model ctr --schema log/schema.yaml --data log/test.tsv --row 17 "
      "--candidates 200");
  command->callback([arguments, &exit_code] { exit_code = RunRequest(*arguments); });
}

}  // namespace fmserve::tools
