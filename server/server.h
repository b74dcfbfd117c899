// The whole server: loaders, gRPC, HTTP.
#ifndef FMSERVE_SERVER_SERVER_H_
#define FMSERVE_SERVER_SERVER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmserve/v1/config.pb.h"
#include "server/http_server.h"
#include "server/served_models.h"

namespace grpc {
class Server;
}  // namespace grpc

namespace fmserve::server {

class HealthService;
class OperatorService;
class PredictionService;

// Logs what happens to it on standard error. Drain at most once; everything else is safe from any
// thread.
class Server {
 public:
  // Listens when it returns. A model whose last good version is in the cache serves already, the
  // others as soon as their first version has passed. `config` is complete (config.h). Fails when a
  // cache folder is in use or cannot be written, an address cannot be listened on, or
  // FMSERVE_KERNEL names what this processor lacks.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const v1::ServerConfig& config);

  // Without Drain, requests in flight are cancelled.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Reports NOT_SERVING, goes on serving for lame_duck_ms, then takes nothing new and returns when
  // what is in flight is done, at the latest after drain_timeout_ms, when the rest is cancelled.
  // /livez and /metrics answer until the server is destroyed.
  void Drain();

  // Ports that were bound, in the order of config.listen; 1 for a Unix socket.
  const std::vector<int>& grpc_ports() const { return grpc_ports_; }
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }

 private:
  explicit Server(const v1::ServerConfig& config);

  absl::Status AddModels();
  absl::Status StartModels();
  absl::Status StartGrpc();
  absl::Status StartHttp();
  void OnLoaderEvent(ServedModel* model, const loader::LoaderEvent& event);
  std::string MetricsPage() const;

  const v1::ServerConfig config_;
  ServedModels models_;
  std::unique_ptr<HealthService> health_;
  std::unique_ptr<PredictionService> prediction_;
  std::unique_ptr<OperatorService> operator_;
  std::unique_ptr<grpc::Server> grpc_;
  std::vector<int> grpc_ports_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_SERVER_H_
