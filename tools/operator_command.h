// What the commands that talk to the operator service share.
#ifndef FMSERVE_TOOLS_OPERATOR_COMMAND_H_
#define FMSERVE_TOOLS_OPERATOR_COMMAND_H_

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmserve/v1/operator.pb.h"
#include "tools/operator_client.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

struct OperatorArguments {
  std::string target = "127.0.0.1:8500";
  std::string model;
  std::chrono::milliseconds timeout{30'000};
  bool json = false;
};

enum class ModelOption : bool { kOptional, kRequired };

// --target, --model, --timeout and --json; `arguments` must outlive the parsing.
void AddOperatorOptions(CLI::App& command, OperatorArguments& arguments, ModelOption model);

// Prints "fm COMMAND: message" and returns kFailed: what a server refuses is no bad input of ours.
int FailRemotely(const std::string& command, const absl::Status& status);

// Does something to a model, then prints how the model is now.
using ModelCall =
    std::function<absl::StatusOr<fmserve::v1::Model>(OperatorClient&, const std::string& model)>;
int RunModelCall(const std::string& command, const OperatorArguments& arguments,
                 const ModelCall& call);

// A whole command that does `call` to a model and takes no options of its own.
void AddModelCommand(CLI::App& app, int& exit_code, const std::string& name,
                     const std::string& description, const ModelCall& call);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_OPERATOR_COMMAND_H_
