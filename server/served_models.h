// The models of one server, by name.
#ifndef FMSERVE_SERVER_SERVED_MODELS_H_
#define FMSERVE_SERVER_SERVED_MODELS_H_

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "loader/model_loader.h"
#include "server/metrics.h"
#include "server/prediction_log.h"
#include "server/request_ring.h"

namespace fmserve::server {

struct ServedModel {
  std::string name;
  std::chrono::nanoseconds budget{};
  ModelMetrics metrics;                           // of Predict, and of the loader
  ModelMetrics top_k_metrics;                     // of TopK
  std::unique_ptr<RequestRing> recent_requests;   // of Predict, answered well; null: none are kept
  std::unique_ptr<loader::ModelLoader> loader;    // behind them: it asks for the requests
  std::unique_ptr<PredictionLog> prediction_log;  // last: it asks for snapshots. Null: none

  bool Serves() const { return loader->slot().Get() != nullptr; }
};

// Models are added before the server starts; from then on all methods are safe from any thread.
class ServedModels {
 public:
  // `model->name` is new.
  void Add(std::unique_ptr<ServedModel> model);

  // `name` was added.
  void SetDefault(absl::string_view name) { default_ = Find(name); }

  // "" is the default model; null when there is no such model.
  ServedModel* Find(absl::string_view name) const;
  const ServedModel* default_model() const { return default_; }
  std::span<const std::unique_ptr<ServedModel>> all() const { return models_; }

  // Names of the models without a snapshot, separated by commas; "" when all serve.
  std::string NotServing() const;

  // NotFound, naming the models that there are.
  absl::Status UnknownModelError(const std::string& name) const;

 private:
  std::vector<std::unique_ptr<ServedModel>> models_;
  absl::flat_hash_map<std::string, ServedModel*> by_name_;
  ServedModel* default_ = nullptr;
};

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_SERVED_MODELS_H_
