// echo_server: what gRPC alone costs. Answers every Predict, unread, with the same response: raw
// bytes in, raw bytes out, over the callback service, transport and allocator of fmserve. The
// response is as long as that of fmserve for the given number of candidates.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "fmserve/v1/prediction.grpc.pb.h"

namespace fmserve::bench {
namespace {

std::string MakeResponse(int candidates) {
  v1::PredictResponse response;
  response.set_model("echo");
  response.set_version(1);
  response.set_request_id("0123456789abcdef-12345");
  for (int c = 0; c < candidates; ++c) response.add_predictions(0.5F);
  response.set_scored_count(static_cast<uint32_t>(candidates));
  return response.SerializeAsString();
}

class EchoService
    : public v1::PredictionService::WithRawCallbackMethod_Predict<v1::PredictionService::Service> {
 public:
  explicit EchoService(const std::string& response) {
    const grpc::Slice slice(response);
    response_ = grpc::ByteBuffer(&slice, 1);
  }

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* /*request*/,
                                    grpc::ByteBuffer* response) override {
    *response = response_;  // another reference to the same bytes
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  grpc::ByteBuffer response_;
};

int Main(int argc, char** argv) {
  CLI::App app("Answers every Predict with the same bytes.", "echo_server");
  std::string listen;
  int candidates = 200;
  app.add_option("--listen", listen, "HOST:PORT or unix:PATH")->required();
  app.add_option("--candidates", candidates, "Predictions in the response")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  app.footer("Example:\n  echo_server --listen unix:/tmp/echo.sock --candidates 200");
  CLI11_PARSE(app, argc, argv);
  EchoService service(MakeResponse(candidates));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "echo_server: cannot listen on " << listen << "\n";
    return 1;
  }
  server->Wait();  // until it is killed
  return 0;
}

}  // namespace
}  // namespace fmserve::bench

int main(int argc, char** argv) { return fmserve::bench::Main(argc, argv); }
