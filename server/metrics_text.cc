#include "server/metrics_text.h"

#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace fmserve::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr auto kLoadStates = std::to_array<std::pair<loader::LoadState, absl::string_view>>({
    {loader::LoadState::kIdle, "idle"},
    {loader::LoadState::kFetching, "fetching"},
    {loader::LoadState::kVerifying, "verifying"},
    {loader::LoadState::kWarming, "warming"},
    {loader::LoadState::kRetrying, "retrying"},
});

constexpr std::array kDeltaOutcomes = {
    loader::DeltaOutcome::kApplied, loader::DeltaOutcome::kNoBase,
    loader::DeltaOutcome::kFetchFailed, loader::DeltaOutcome::kMismatch};
static_assert(kDeltaOutcomes.size() == loader::kDeltaOutcomesCount);

constexpr std::array<absl::string_view, kCallKindsCount> kCallNames = {"predict", "top_k"};
constexpr std::array<absl::string_view, kRefusalsCount> kRefusalNames = {"limit", "deadline",
                                                                         "expired"};

constexpr std::array<absl::string_view, kLogDropsCount> kLogDropNames = {"ring", "size", "disk"};

using Labels = std::initializer_list<std::pair<absl::string_view, absl::string_view>>;

ClientMetric& AddMetric(MetricFamily* family, Labels labels) {
  ClientMetric& metric = family->metric.emplace_back();
  for (const auto& [name, value] : labels)
    metric.label.push_back({std::string(name), std::string(value)});
  return metric;
}

void AddCounter(MetricFamily* family, Labels labels, uint64_t value) {
  AddMetric(family, labels).counter.value = static_cast<double>(value);
}

void AddGauge(MetricFamily* family, Labels labels, double value) {
  AddMetric(family, labels).gauge.value = value;
}

class Page {
 public:
  explicit Page(std::span<const ModelMetricsView> models) : models_(models) {}

  // Valid until the next Add.
  MetricFamily* Add(absl::string_view name, MetricType type, absl::string_view help) {
    return &families_.emplace_back(
        MetricFamily{absl::StrCat("fmserve_", name), std::string(help), type, {}});
  }

  // add(model, call, its counts) for each model and call.
  template <typename Adder>
  void ForEachCall(Adder add) {
    for (const ModelMetricsView& model : models_) {
      add(model.status.model, kCallNames[0], model.predict);
      add(model.status.model, kCallNames[1], model.top_k);
    }
  }

  template <typename Value>
  void AddCounterPerModel(absl::string_view name, absl::string_view help, Value value) {
    MetricFamily* family = Add(name, MetricType::Counter, help);
    for (const ModelMetricsView& model : models_)
      AddCounter(family, {{"model", model.status.model}}, value(model));
  }

  template <typename Value>
  void AddGaugePerModel(absl::string_view name, absl::string_view help, Value value) {
    MetricFamily* family = Add(name, MetricType::Gauge, help);
    for (const ModelMetricsView& model : models_) {
      AddGauge(family, {{"model", model.status.model}}, static_cast<double>(value(model)));
    }
  }

  // Ages of what serves: what_of(status) gives its version, 0 for none, and when it was published.
  template <typename What>
  void AddAges(absl::string_view name, absl::string_view help, uint64_t now_unix_us, What what_of) {
    MetricFamily* family = Add(name, MetricType::Gauge, help);
    for (const ModelMetricsView& model : models_) {
      const auto [version, published_unix_us] = what_of(model.status);
      if (version == 0) continue;
      const uint64_t since =
          published_unix_us != 0 ? published_unix_us : model.status.serving_since_unix_us;
      const double age_us = static_cast<double>(now_unix_us) - static_cast<double>(since);
      AddGauge(family, {{"model", model.status.model}}, age_us / 1e6);
    }
  }

  void AddRequests();
  void AddLatency();
  void AddIncomplete();
  void AddUnknownFeatures();
  void AddVersions(uint64_t now_unix_us);
  void AddCatalogues(uint64_t now_unix_us);
  void AddLoading();
  void AddGates();
  void AddPredictionLogs();
  void AddOverload(const ServerMetricsView& server);

  std::string ToString() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::span<const ModelMetricsView> models_;
  std::vector<MetricFamily> families_;
};

void Page::AddRequests() {
  MetricFamily* family = Add("requests_total", MetricType::Counter,
                             "Requests by call, gRPC code and version of the weights (0: none).");
  ForEachCall(
      [family](absl::string_view model, absl::string_view call, const RequestCounts& requests) {
        for (const VersionCounts& counts : requests.versions) {
          for (size_t code = 0; code < counts.by_code.size(); ++code) {
            if (counts.by_code[code] == 0) continue;
            AddCounter(family,
                       {{"model", model},
                        {"call", call},
                        {"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code))},
                        {"version", absl::StrCat(counts.version)}},
                       counts.by_code[code]);
          }
        }
      });
}

void Page::AddLatency() {
  MetricFamily* family = Add("request_duration_seconds", MetricType::Histogram,
                             "Time in the server, from the decoded message to the answer.");
  ForEachCall(
      [family](absl::string_view model, absl::string_view call, const RequestCounts& requests) {
        auto& histogram = AddMetric(family, {{"model", model}, {"call", call}}).histogram;
        histogram.sample_sum = requests.latency_sum_s;
        for (size_t i = 0; i < requests.latency_buckets.size(); ++i) {
          histogram.sample_count += requests.latency_buckets[i];
          if (i < kLatencyBoundsSeconds.size())
            histogram.bucket.push_back({histogram.sample_count, kLatencyBoundsSeconds[i]});
        }
      });
}

void Page::AddIncomplete() {
  MetricFamily* family = Add("incomplete_responses_total", MetricType::Counter,
                             "Answers that left candidates or items out because the time ran out.");
  ForEachCall(
      [family](absl::string_view model, absl::string_view call, const RequestCounts& requests) {
        AddCounter(family, {{"model", model}, {"call", call}}, requests.incomplete);
      });
}

void Page::AddUnknownFeatures() {
  MetricFamily* family =
      Add("unknown_features_total", MetricType::Counter,
          "Features of answered requests that the weights do not know, by field.");
  ForEachCall(
      [family](absl::string_view model, absl::string_view call, const RequestCounts& requests) {
        for (const FieldCount& unknown : requests.unknown) {
          AddCounter(family, {{"model", model}, {"call", call}, {"field", unknown.field}},
                     unknown.count);
        }
      });
}

void Page::AddVersions(uint64_t now_unix_us) {
  AddGaugePerModel("serving_version", "Version that serves; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.serving_version; });
  AddGaugePerModel("pinned_version", "Version that an operator pinned; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.pinned_version; });
  AddGaugePerModel("canary_version", "Version that answers a share of the requests; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.canary_version; });
  AddGaugePerModel("canary_share", "Share of the requests that it answers.",
                   [](const ModelMetricsView& model) { return model.status.canary_percent / 100; });
  AddAges("serving_version_age_seconds",
          "Since the serving version was published, or began to serve if that is unknown.",
          now_unix_us, [](const loader::ModelStatus& status) {
            return std::pair(status.serving_version, status.published_unix_us);
          });
}

void Page::AddCatalogues(uint64_t now_unix_us) {
  AddGaugePerModel("serving_catalogue_version", "Version of the catalogue that serves; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.catalogue_version; });
  AddAges("serving_catalogue_age_seconds",
          "Since the serving catalogue was published, or began to serve if that is unknown.",
          now_unix_us, [](const loader::ModelStatus& status) {
            return std::pair(status.catalogue_version, status.catalogue_published_unix_us);
          });
  AddGaugePerModel(
      "catalogue_items", "Items of the catalogue that serves.",
      [](const ModelMetricsView& model) { return model.status.catalogue_items_count; });
  AddGaugePerModel(
      "catalogue_bytes",
      "Of snapshot_bytes, the catalogue that serves: its file and what it is folded to.",
      [](const ModelMetricsView& model) { return model.status.catalogue_bytes; });
}

void Page::AddGates() {
  MetricFamily* results = Add("gate_results_total", MetricType::Counter,
                              "New versions of the weights by gate and what it said.");
  for (const ModelMetricsView& model : models_) {
    for (const loader::GateResultCount& result : model.status.gate_results) {
      AddCounter(results,
                 {{"model", model.status.model}, {"gate", result.gate}, {"result", result.result}},
                 result.count);
    }
  }
  AddGaugePerModel("held_version", "Version that waits for an operator; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.held_version; });
  AddGaugePerModel("watched_version",
                   "Version that began to serve a while ago and is watched; 0: none.",
                   [](const ModelMetricsView& model) { return model.status.watched_version; });
  AddGaugePerModel("watch_failing", "1 while a version serves on that fails its watch.",
                   [](const ModelMetricsView& model) { return model.status.watch_is_failing; });
  AddCounterPerModel(
      "automatic_rollbacks_total",
      "Versions that were rolled back because they failed their watch.",
      [](const ModelMetricsView& model) { return model.status.automatic_rollbacks_count; });
  AddGaugePerModel("recent_requests", "Requests that are kept for the shadow gate.",
                   [](const ModelMetricsView& model) { return model.recent_requests; });
  AddGaugePerModel("recent_request_bytes", "Memory of these.",
                   [](const ModelMetricsView& model) { return model.recent_request_bytes; });
  AddCounterPerModel("recent_requests_dropped_total",
                     "Requests that were to be kept, but too large or in the way of a comparison.",
                     [](const ModelMetricsView& model) { return model.recent_requests_dropped; });
}

void Page::AddLoading() {
  MetricFamily* states =
      Add("load_state", MetricType::Gauge, "1 for the state that the loader of the model is in.");
  for (const ModelMetricsView& model : models_) {
    for (const auto& [state, name] : kLoadStates) {
      AddGauge(states, {{"model", model.status.model}, {"state", name}},
               model.status.load_state == state ? 1.0 : 0.0);
    }
  }
  AddCounterPerModel("swaps_total", "Changes of the weights or the catalogue that serve.",
                     [](const ModelMetricsView& model) { return model.status.swaps_count; });
  AddCounterPerModel(
      "poll_failures_total", "Looks at the store that failed.",
      [](const ModelMetricsView& model) { return model.status.poll_failures_count; });
  MetricFamily* deltas = Add("delta_fetches_total", MetricType::Counter,
                             "Versions with deltas: built from one, or why not.");
  for (const ModelMetricsView& model : models_) {
    for (const loader::DeltaOutcome outcome : kDeltaOutcomes) {
      AddCounter(deltas, {{"model", model.status.model}, {"outcome", std::string(Name(outcome))}},
                 model.status.delta_fetches[static_cast<size_t>(outcome)]);
    }
  }
  AddGaugePerModel("snapshot_bytes", "Mapped bytes of all snapshots of the model.",
                   [](const ModelMetricsView& model) { return model.status.snapshot_bytes; });
  AddGaugePerModel("huge_page_bytes", "Of these, what lies on 2 MB pages.",
                   [](const ModelMetricsView& model) { return model.status.huge_page_bytes; });
  MetricFamily* rejections =
      Add("rejected_versions_total", MetricType::Counter,
          "Versions that were refused, by what they are of and the check that they failed.");
  for (const ModelMetricsView& model : models_) {
    for (const auto& [what, count] : model.predict.rejections) {
      AddCounter(rejections,
                 {{"model", model.status.model}, {"artifact", what.first}, {"reason", what.second}},
                 count);
    }
  }
}

void Page::AddPredictionLogs() {
  const auto add = [this](absl::string_view name, MetricType type, absl::string_view help,
                          auto add_metrics) {
    MetricFamily* family = Add(name, type, help);
    for (const ModelMetricsView& model : models_) {
      if (model.prediction_log.has_value())
        add_metrics(family, model.status.model, *model.prediction_log);
    }
    if (family->metric.empty()) families_.pop_back();
  };
  using View = const PredictionLogCounts&;
  using Model = const std::string&;
  add("prediction_log_records_total", MetricType::Counter, "Records in files of the log.",
      [](MetricFamily* family, Model model, View log) {
        AddCounter(family, {{"model", model}}, log.records);
      });
  add("prediction_log_bytes_total", MetricType::Counter, "Bytes of these files, compressed.",
      [](MetricFamily* family, Model model, View log) {
        AddCounter(family, {{"model", model}}, log.bytes);
      });
  add("prediction_log_dropped_total", MetricType::Counter,
      "Records that are in no file, by reason.", [](MetricFamily* family, Model model, View log) {
        for (size_t why = 0; why < kLogDropsCount; ++why)
          AddCounter(family, {{"model", model}, {"reason", kLogDropNames[why]}}, log.dropped[why]);
      });
  add("prediction_log_files_removed_total", MetricType::Counter,
      "Files that were removed to make room.", [](MetricFamily* family, Model model, View log) {
        AddCounter(family, {{"model", model}}, log.files_removed);
      });
  add("prediction_log_failures_total", MetricType::Counter, "Tries to write that failed.",
      [](MetricFamily* family, Model model, View log) {
        AddCounter(family, {{"model", model}}, log.failures);
      });
  add("prediction_log_failing", MetricType::Gauge,
      "1 while the last try to write failed; error: the last one's.",
      [](MetricFamily* family, Model model, View log) {
        AddGauge(family, {{"model", model}, {"error", log.last_error}}, log.failing ? 1 : 0);
      });
}

void Page::AddOverload(const ServerMetricsView& server) {
  AddGauge(Add("concurrency_limit", MetricType::Gauge, "Requests that may be under way at once."),
           {}, static_cast<double>(server.concurrency_limit));
  AddGauge(Add("requests_in_flight", MetricType::Gauge,
               "Requests that were let in and are not answered yet."),
           {}, static_cast<double>(server.in_flight));
  MetricFamily* family = Add("refused_requests_total", MetricType::Counter,
                             "Requests that were turned away unread, by call and reason.");
  for (size_t kind = 0; kind < kCallKindsCount; ++kind) {
    for (size_t why = 0; why < kRefusalsCount; ++why) {
      AddCounter(family, {{"call", kCallNames[kind]}, {"reason", kRefusalNames[why]}},
                 server.refusals[kind][why]);
    }
  }
}

}  // namespace

std::string FormatMetrics(std::span<const ModelMetricsView> models, const ServerMetricsView& server,
                          uint64_t now_unix_us) {
  Page page(models);
  page.AddRequests();
  page.AddLatency();
  page.AddCounterPerModel("candidates_total", "Candidates scored.",
                          [](const ModelMetricsView& model) { return model.predict.candidates; });
  page.AddIncomplete();
  page.AddUnknownFeatures();
  page.AddVersions(now_unix_us);
  page.AddCatalogues(now_unix_us);
  page.AddGates();
  page.AddLoading();
  page.AddPredictionLogs();
  page.AddOverload(server);
  AddCounter(page.Add("unknown_model_requests_total", MetricType::Counter,
                      "Requests for a model that this server does not have."),
             {}, server.unknown_model_requests);
  AddGauge(page.Add("draining", MetricType::Gauge, "1 after SIGTERM."), {},
           server.draining ? 1.0 : 0.0);
  return page.ToString();
}

}  // namespace fmserve::server
