#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/metrics.h"
#include "server/metrics_text.h"
#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kNowUs = 1'000'000'000;

std::string PageOf(const ModelMetrics& metrics, loader::ModelStatus status = {}) {
  status.model = "ctr";
  const std::vector<ModelMetricsView> views = {{status, metrics.Counts(), {}}};
  return FormatMetrics(views, {.unknown_model_requests = 4, .draining = true}, kNowUs);
}

TEST(MetricsTest, CountsRequestsByCodeAndVersion) {
  ModelMetrics metrics;
  for (int i = 0; i < 3; ++i)
    metrics.Record({.version = 7, .latency = microseconds(300), .scored_count = 10});
  metrics.Record({.code = absl::StatusCode::kInvalidArgument, .version = 8});
  const std::string page = PageOf(metrics);
  EXPECT_THAT(
      page,
      HasSubstr(
          "fmserve_requests_total{model=\"ctr\",call=\"predict\",code=\"OK\",version=\"7\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_requests_total{model=\"ctr\",call=\"predict\",code="
                              "\"INVALID_ARGUMENT\",version=\"8\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_candidates_total{model=\"ctr\"} 30\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_unknown_model_requests_total 4\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_draining 1\n"));
}

TEST(MetricsTest, CountsTheCallsApart) {
  ModelMetrics predict;
  ModelMetrics top_k;
  predict.Record({.version = 7});
  top_k.Record({.version = 7, .incomplete = true});
  top_k.Record({.version = 7});
  loader::ModelStatus status;
  status.model = "ctr";
  const std::vector<ModelMetricsView> views = {{status, predict.Counts(), top_k.Counts()}};
  const std::string page = FormatMetrics(views, {}, kNowUs);
  for (const char* line :
       {"requests_total{model=\"ctr\",call=\"predict\",code=\"OK\",version=\"7\"} 1\n",
        "requests_total{model=\"ctr\",call=\"top_k\",code=\"OK\",version=\"7\"} 2\n",
        "request_duration_seconds_count{model=\"ctr\",call=\"top_k\"} 2\n",
        "incomplete_responses_total{model=\"ctr\",call=\"top_k\"} 1\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST(MetricsTest, ShowsTheLimitAndWhoWasRefused) {
  ServerMetricsView server{.concurrency_limit = 40, .in_flight = 3};
  server.refusals[static_cast<size_t>(CallKind::kPredict)][static_cast<size_t>(Refusal::kLimit)] =
      7;
  server.refusals[static_cast<size_t>(CallKind::kTopK)][static_cast<size_t>(Refusal::kExpired)] = 8;
  const std::string page = FormatMetrics({}, server, kNowUs);
  for (const char* line : {"concurrency_limit 40\n", "requests_in_flight 3\n",
                           "refused_requests_total{call=\"predict\",reason=\"limit\"} 7\n",
                           "refused_requests_total{call=\"predict\",reason=\"deadline\"} 0\n",
                           "refused_requests_total{call=\"top_k\",reason=\"expired\"} 8\n"}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("fmserve_", line)));
  }
}

TEST(MetricsTest, ShowsThePredictionLogsThatThereAre) {
  loader::ModelStatus with_log;
  with_log.model = "ctr";
  loader::ModelStatus without;
  without.model = "cvr";
  std::vector<ModelMetricsView> views = {{with_log, {}, {}}, {without, {}, {}}};
  EXPECT_THAT(FormatMetrics(views, {}, kNowUs), Not(HasSubstr("prediction_log")));
  views[0].prediction_log = PredictionLogCounts{.records = 5,
                                                .bytes = 700,
                                                .dropped = {1, 2, 3},
                                                .files_removed = 4,
                                                .failing = true,
                                                .failures = 6,
                                                .last_error = "RESOURCE_EXHAUSTED"};
  const std::string page = FormatMetrics(views, {}, kNowUs);
  for (const char* line :
       {"records_total{model=\"ctr\"} 5\n", "bytes_total{model=\"ctr\"} 700\n",
        "dropped_total{model=\"ctr\",reason=\"ring\"} 1\n",
        "dropped_total{model=\"ctr\",reason=\"size\"} 2\n",
        "dropped_total{model=\"ctr\",reason=\"disk\"} 3\n",
        "files_removed_total{model=\"ctr\"} 4\n", "failures_total{model=\"ctr\"} 6\n",
        "failing{model=\"ctr\",error=\"RESOURCE_EXHAUSTED\"} 1\n"}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("fmserve_prediction_log_", line)));
  }
  EXPECT_THAT(page, Not(HasSubstr("prediction_log_records_total{model=\"cvr\"}")));
}

TEST(MetricsTest, LatencyBucketsAreCumulativeAndIncludeTheirBound) {
  ModelMetrics metrics;
  metrics.Record({.latency = milliseconds(20)});
  metrics.Record({.latency = microseconds(20001)});
  metrics.Record({.latency = milliseconds(500), .incomplete = true});
  const std::string page = PageOf(metrics);
  EXPECT_THAT(page, HasSubstr("fmserve_request_duration_seconds_bucket{model=\"ctr\",call="
                              "\"predict\",le=\"0.0175\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_request_duration_seconds_bucket{model=\"ctr\",call="
                              "\"predict\",le=\"0.02\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_request_duration_seconds_bucket{model=\"ctr\",call="
                              "\"predict\",le=\"0.0225\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_request_duration_seconds_bucket{model=\"ctr\",call="
                              "\"predict\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(
      page,
      HasSubstr("fmserve_request_duration_seconds_count{model=\"ctr\",call=\"predict\"} 3\n"));
  EXPECT_THAT(page,
              HasSubstr("fmserve_incomplete_responses_total{model=\"ctr\",call=\"predict\"} 1\n"));
}

TEST(MetricsTest, UnknownFeaturesAreCountedUnderTheNamesOfTheirFields) {
  const model::FeatureSchema schema = SampleSchema();
  std::vector<uint32_t> unknown(schema.size());
  unknown[kAd] = 5;
  ModelMetrics metrics;
  for (int i = 0; i < 2; ++i)
    metrics.Record({.version = 1, .schema = &schema, .unknown_by_field = unknown});
  EXPECT_THAT(
      PageOf(metrics),
      HasSubstr(
          "fmserve_unknown_features_total{model=\"ctr\",call=\"predict\",field=\"ad\"} 10\n"));
  EXPECT_THAT(
      PageOf(metrics),
      HasSubstr(
          "fmserve_unknown_features_total{model=\"ctr\",call=\"predict\",field=\"user\"} 0\n"));
}

TEST(MetricsTest, ServerThatGetsManyVersionsKeepsTheSeriesOfTheLatest) {
  ModelMetrics metrics;
  for (uint64_t version = 1; version <= 100; ++version) metrics.Record({.version = version});
  EXPECT_EQ(metrics.Counts().versions.size(), kCountedVersions);
  EXPECT_THAT(PageOf(metrics), HasSubstr("version=\"100\"} 1\n"));
  EXPECT_THAT(PageOf(metrics), Not(HasSubstr("version=\"92\"")));
}

TEST(MetricsTest, ShowsWhatTheLoaderIsDoing) {
  ModelMetrics metrics;
  metrics.RecordRejection("weights", "golden");
  metrics.RecordRejection("catalogue", "structure");
  loader::ModelStatus status;
  status.serving_version = 7;
  status.pinned_version = 6;
  status.load_state = loader::LoadState::kWarming;
  status.serving_since_unix_us = kNowUs - 1'000'000;
  status.published_unix_us = kNowUs - 90'000'000;
  status.snapshot_bytes = 4096;
  status.huge_page_bytes = 2048;
  status.swaps_count = 3;
  status.poll_failures_count = 2;
  status.delta_fetches[static_cast<size_t>(loader::DeltaOutcome::kMismatch)] = 4;
  const std::string page = PageOf(metrics, status);
  EXPECT_THAT(page, HasSubstr("fmserve_serving_version{model=\"ctr\"} 7\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_pinned_version{model=\"ctr\"} 6\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_serving_version_age_seconds{model=\"ctr\"} 90\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_load_state{model=\"ctr\",state=\"warming\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_load_state{model=\"ctr\",state=\"idle\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_snapshot_bytes{model=\"ctr\"} 4096\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_huge_page_bytes{model=\"ctr\"} 2048\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_swaps_total{model=\"ctr\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_poll_failures_total{model=\"ctr\"} 2\n"));
  EXPECT_THAT(page,
              HasSubstr("fmserve_delta_fetches_total{model=\"ctr\",outcome=\"mismatch\"} 4\n"));
  EXPECT_THAT(page,
              HasSubstr("fmserve_delta_fetches_total{model=\"ctr\",outcome=\"applied\"} 0\n"));
  for (const char* what :
       {"artifact=\"weights\",reason=\"golden\"", "artifact=\"catalogue\",reason=\"structure\""}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("fmserve_rejected_versions_total{model=\"ctr\",", what,
                                             "} 1\n")));
  }
}

TEST(MetricsTest, ShowsTheCatalogueThatServes) {
  loader::ModelStatus status;
  status.catalogue_version = 12;
  status.catalogue_published_unix_us = kNowUs - 60'000'000;
  status.catalogue_items_count = 500;
  status.catalogue_bytes = 8192;
  const std::string page = PageOf(ModelMetrics(), status);
  EXPECT_THAT(page, HasSubstr("fmserve_serving_catalogue_version{model=\"ctr\"} 12\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_serving_catalogue_age_seconds{model=\"ctr\"} 60\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_catalogue_items{model=\"ctr\"} 500\n"));
  EXPECT_THAT(page, HasSubstr("fmserve_catalogue_bytes{model=\"ctr\"} 8192\n"));
}

TEST(MetricsTest, AModelWithoutACatalogueHasNoAgeOfOne) {
  const std::string page = PageOf(ModelMetrics());
  EXPECT_THAT(page, HasSubstr("fmserve_serving_catalogue_version{model=\"ctr\"} 0\n"));
  EXPECT_THAT(page, Not(HasSubstr("fmserve_serving_catalogue_age_seconds{")));
}

}  // namespace
}  // namespace fmserve::server
