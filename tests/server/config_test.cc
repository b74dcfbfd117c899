#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <ostream>
#include <string>
#include <thread>

#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

constexpr char kMinimal[] = R"(cache_dir: cache
models:
  - name: ctr
    store: store
)";

std::string ErrorOf(const std::string& text) {
  const auto config = ParseConfig(text, "f.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(config.status().message());
}

TEST(ConfigTest, NothingIsLoggedByDefaultAndAFolderIsEnough) {
  const auto silent = ParseConfig(kMinimal, "f.yaml");
  ASSERT_TRUE(silent.ok()) << silent.status();
  EXPECT_FALSE(silent->models(0).has_prediction_log());
  const auto config =
      ParseConfig(std::string(kMinimal) + "    prediction_log: {folder: logs}\n", "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const v1::PredictionLogConfig& log = config->models(0).prediction_log();
  EXPECT_EQ(log.folder(), "logs");
  EXPECT_EQ(log.sample_percent(), 1.0);
  EXPECT_EQ(log.weights_one_in(), 0U);
  EXPECT_EQ(log.ring_mib(), 16U);
  EXPECT_EQ(log.max_record_kib(), 512U);
  EXPECT_EQ(log.flush_interval_ms(), 1000U);
  EXPECT_EQ(log.max_file_mib(), 128U);
  EXPECT_EQ(log.max_file_s(), 3600U);
  EXPECT_EQ(log.max_total_mib(), 10240U);
  EXPECT_EQ(log.compression(), v1::PredictionLogConfig::FAST);
}

TEST(ConfigTest, FillsInEveryDefault) {
  const auto config = ParseConfig(kMinimal, "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->listen(), testing::ElementsAre("127.0.0.1:8500"));
  EXPECT_EQ(config->http_listen(), "127.0.0.1:8501");
  EXPECT_EQ(config->default_model(), "ctr");
  EXPECT_EQ(config->lame_duck_ms(), 0U);
  EXPECT_EQ(config->drain_timeout_ms(), 10000U);
  EXPECT_EQ(config->models(0).budget_ms(), 20U);
  EXPECT_EQ(config->models(0).poll_interval_ms(), 5000U);
  EXPECT_EQ(config->models(0).cached_versions(), 3U);
  EXPECT_EQ(config->models(0).fetch_mib_per_s(), 0U);
  EXPECT_EQ(config->models(0).gates().max_file_mib(), 16384U);
  EXPECT_EQ(config->models(0).gates().golden_tolerance(), 1e-4);
  EXPECT_FALSE(config->models(0).gates().allow_no_goldens());
  EXPECT_FALSE(config->models(0).gates().allow_version_decrease());
  EXPECT_EQ(config->models(0).gates().max_resident_mib(), 32768U);
  EXPECT_EQ(config->models(0).gates().max_published_ahead_s(), 3600U);
  EXPECT_FALSE(config->models(0).gates().refuse_older());
  EXPECT_EQ(config->models(0).gates().max_loss_increase(), 0.05);
  EXPECT_EQ(config->models(0).gates().max_calibration_change(), 1.25);
  EXPECT_FALSE(config->models(0).gates().require_metrics());
  const v1::ShadowGateConfig& shadow = config->models(0).shadow_gate();
  EXPECT_TRUE(shadow.enabled());
  EXPECT_EQ(shadow.min_requests(), 200U);
  EXPECT_EQ(shadow.on_too_few_requests(), v1::ShadowGateConfig::PROMOTE);
  EXPECT_EQ(shadow.max_mean_ratio(), 1.5);
  EXPECT_EQ(shadow.max_shift(), 0.5);
  EXPECT_EQ(shadow.max_psi(), 2.0);
  EXPECT_EQ(shadow.max_unknown_increase(), 0.2);
  EXPECT_EQ(shadow.max_known_lost(), 0.6);
  EXPECT_EQ(shadow.min_correlation(), 0.4);
  EXPECT_EQ(shadow.min_top1_agreement(), 0.0);
  EXPECT_EQ(shadow.min_kendall_tau(), 0.3);
  EXPECT_EQ(shadow.max_failed_share(), 0.01);
  EXPECT_EQ(shadow.sample_one_in(), 16U);
  EXPECT_EQ(shadow.max_samples_per_second(), 50.0);
  EXPECT_EQ(shadow.max_memory_mib(), 16U);
  EXPECT_EQ(shadow.max_request_kib(), 256U);
  EXPECT_TRUE(config->models(0).rollout().has_mode());
  EXPECT_EQ(config->models(0).rollout().mode(), v1::RolloutConfig::IMMEDIATE);
  EXPECT_EQ(config->models(0).rollout().canary_percent(), 5.0);
  EXPECT_EQ(config->models(0).rollout().canary_s(), 600U);
  EXPECT_TRUE(config->models(0).catalogue().has_item_vectors());
  EXPECT_EQ(config->models(0).catalogue().item_vectors(), v1::CatalogueConfig::F32);
  EXPECT_EQ(config->limits().max_message_kib(), 4096U);
  EXPECT_EQ(config->limits().max_candidates(), 10000U);
  EXPECT_EQ(config->limits().max_features_per_list(), 4096U);
  EXPECT_EQ(config->limits().max_features_per_request(), 500000U);
  EXPECT_EQ(config->limits().max_string_bytes(), 1024U);
  EXPECT_EQ(config->scoring_threads(), std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_TRUE(config->overload().adaptive());
  EXPECT_EQ(config->overload().max_in_flight(), 1000U);
  EXPECT_EQ(config->overload().max_in_flight_mib(), 256U);
  EXPECT_EQ(config->overload().retry_delay_ms(), 50U);
}

TEST(ConfigTest, NamesWhatIsWrongWithTheShadowGate) {
  const std::string error = ErrorOf(std::string(kMinimal) +
                                    "    shadow_gate:\n"
                                    "      min_requests: 0\n"
                                    "      max_mean_ratio: 0.5\n"
                                    "      min_kendall_tau: -2\n");
  EXPECT_THAT(error, HasSubstr("f.yaml:6: models[0].shadow_gate.min_requests: 0 is out of range"));
  EXPECT_THAT(error, HasSubstr("shadow_gate.max_mean_ratio: 0.5 is out of range; 1 to 1000"));
  EXPECT_THAT(error, HasSubstr("shadow_gate.min_kendall_tau: -2 is out of range; -1 to 1"));
}

TEST(ConfigTest, TakesEveryKey) {
  const auto config = ParseConfig(R"(
listen: ["0.0.0.0:1", "unix:/run/fmserve.sock"]
http_listen: ""
cache_dir: /var/cache/fmserve
default_model: cvr
lame_duck_ms: 7
drain_timeout_ms: 0
models:
  - {name: ctr, store: /srv/models}
  - name: cvr
    store: /srv/models
    budget_ms: 7
    poll_interval_ms: 10
    cached_versions: 9
    fetch_mib_per_s: 40
    gates: {max_file_mib: 5, golden_tolerance: 0.5, allow_no_goldens: true, allow_version_decrease: true}
    catalogue: {item_vectors: INT8}
  - name: cold
    store: s3://models/ads
    s3: {endpoint_url: "https://ceph.example:7480", region: eu-central-1, addressing: PATH, ca_file: ca.pem, profile: ads, stall_seconds: 9}
limits: {max_message_kib: 1, max_candidates: 2, max_features_per_list: 3, max_features_per_request: 4, max_string_bytes: 5}
scoring_threads: 6
overload: {adaptive: false, max_in_flight: 7, max_in_flight_mib: 9, retry_delay_ms: 8}
)",
                                  "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->listen(), testing::ElementsAre("0.0.0.0:1", "unix:/run/fmserve.sock"));
  EXPECT_EQ(config->http_listen(), "");
  EXPECT_EQ(config->default_model(), "cvr");
  EXPECT_EQ(config->lame_duck_ms(), 7U);
  EXPECT_EQ(config->drain_timeout_ms(), 0U);
  EXPECT_EQ(config->models(1).budget_ms(), 7U);
  EXPECT_TRUE(config->models(1).gates().allow_no_goldens());
  EXPECT_EQ(config->models(1).gates().golden_tolerance(), 0.5);
  EXPECT_EQ(config->models(1).catalogue().item_vectors(), v1::CatalogueConfig::INT8);
  EXPECT_EQ(config->models(1).fetch_mib_per_s(), 40U);
  EXPECT_EQ(config->models(2).poll_interval_ms(), 15000U) << "each is a request that costs";
  EXPECT_EQ(config->models(2).s3().endpoint_url(), "https://ceph.example:7480");
  EXPECT_EQ(config->models(2).s3().addressing(), v1::S3Config::PATH);
  EXPECT_EQ(config->models(2).s3().stall_seconds(), 9U);
  EXPECT_EQ(config->limits().max_string_bytes(), 5U);
  EXPECT_EQ(config->scoring_threads(), 6U);
  EXPECT_FALSE(config->overload().adaptive());
  EXPECT_EQ(config->overload().max_in_flight(), 7U);
  EXPECT_EQ(config->overload().max_in_flight_mib(), 9U);
  EXPECT_EQ(config->overload().retry_delay_ms(), 8U);
}

TEST(ConfigTest, AStoreInS3HasABucketAndAFolderHasNoS3) {
  EXPECT_THAT(ErrorOf("cache_dir: c\nmodels: [{name: ctr, store: \"s3://\"}]\n"),
              HasSubstr("f.yaml:2: models[0].store: "));
  EXPECT_EQ(ErrorOf("cache_dir: c\nmodels:\n  - name: ctr\n    store: d\n    s3: {region: r}\n"),
            "f.yaml:5: models[0].s3: belongs to a store of s3://BUCKET/PREFIX");
}

TEST(ConfigTest, UnknownKeyNamesItsLineAndTheNearestKey) {
  EXPECT_EQ(ErrorOf(R"(cache_dir: cache
models:
  - name: ctr
    store: store
    budgt_ms: 20
)"),
            "f.yaml:5: models[0].budgt_ms: unknown key; the nearest known one is 'budget_ms'");
}

TEST(ConfigTest, KeyThatStandsTwiceIsRefused) {
  EXPECT_EQ(ErrorOf(std::string(kMinimal) + "cache_dir: other\n"),
            "f.yaml:5: cache_dir: stands twice, first on line 1");
}

TEST(ConfigTest, AllFindingsAreListedInTheOrderOfTheFile) {
  EXPECT_EQ(
      ErrorOf("limits:\n  max_candidates: many\nmodels: ctr\ndrain_timeout_ms: -1\n"),
      "f.yaml:2: limits.max_candidates: has to be a whole number from 0 to 4294967295, found "
      "'many'\n"
      "f.yaml:3: models: has to be a list\n"
      "f.yaml:4: drain_timeout_ms: has to be a whole number from 0 to 4294967295, found '-1'");
}

TEST(ConfigTest, TextThatIsNotYamlNamesTheLine) {
  EXPECT_THAT(ErrorOf("models:\n  - [\n"), HasSubstr("f.yaml:3: not YAML: "));
}

TEST(ConfigTest, MissingFileAndFolderAreErrors) {
  const std::string folder = NewFolder();
  EXPECT_EQ(LoadConfig(folder + "/none.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(LoadConfig(folder).status().message(), HasSubstr("is a folder"));
  std::ofstream(folder + "/f.yaml") << kMinimal;
  EXPECT_TRUE(LoadConfig(folder + "/f.yaml").ok());
}

struct BadConfig {
  std::string what;
  std::string text;
  std::string error;
};

void PrintTo(const BadConfig& bad, std::ostream* out) { *out << bad.what; }

class BadConfigTest : public testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigTest, IsRefusedWithLineAndKey) {
  EXPECT_THAT(ErrorOf(GetParam().text), HasSubstr(GetParam().error));
}

std::string WithModelKey(const std::string& line) {
  return std::string(kMinimal) + "    " + line + "\n";
}
std::string WithKey(const std::string& line) { return std::string(kMinimal) + line + "\n"; }

INSTANTIATE_TEST_SUITE_P(
    All, BadConfigTest,
    testing::Values(
        BadConfig{"NoModels", "cache_dir: c\n", "f.yaml:1: models: at least one model is required"},
        BadConfig{"NoCacheDir", "models: [{name: a, store: s}]\n", "cache_dir: is required"},
        BadConfig{"NoStore", "cache_dir: c\nmodels:\n  - name: a\n",
                  "f.yaml:3: models[0].store: is required"},
        BadConfig{"NoName", "cache_dir: c\nmodels:\n  - store: s\n", "f.yaml:3: models[0].name: "},
        BadConfig{"NameOutsideOfTheStore", "cache_dir: c\nmodels:\n  - {store: s, name: ../x}\n",
                  "f.yaml:3: models[0].name: "},
        BadConfig{"TwoOfOneName", WithKey("  - {name: ctr, store: s}"),
                  "f.yaml:5: models[1].name: 'ctr' names two models"},
        BadConfig{"StrangeDefault", WithKey("default_model: cvr"),
                  "f.yaml:5: default_model: 'cvr' is not one of the models"},
        BadConfig{"BudgetZero", WithModelKey("budget_ms: 0"),
                  "f.yaml:5: models[0].budget_ms: 0 is out of range; 1 to 60000 is allowed"},
        BadConfig{"PollTooOften", WithModelKey("poll_interval_ms: 9"),
                  "f.yaml:5: models[0].poll_interval_ms: 9 is out of range; 10 to"},
        BadConfig{"TooFewVersions", WithModelKey("cached_versions: 1"),
                  "f.yaml:5: models[0].cached_versions: 1 is out of range; 2 to 100"},
        BadConfig{"Tolerance", WithModelKey("gates: {golden_tolerance: 1.5}"),
                  "f.yaml:5: models[0].gates.golden_tolerance: 1.5 is out of range"},
        BadConfig{"NotANumber", WithModelKey("gates: {golden_tolerance: nan}"),
                  "golden_tolerance: has to be a number, found 'nan'"},
        BadConfig{"NotABool", WithModelKey("gates: {allow_no_goldens: yes}"),
                  "allow_no_goldens: has to be true or false, found 'yes'"},
        BadConfig{"NotAName", WithModelKey("catalogue: {item_vectors: int4}"),
                  "f.yaml:5: models[0].catalogue.item_vectors: has to be one of F32, INT8, found "
                  "'int4'"},
        BadConfig{"RolloutThatIsNone", WithModelKey("rollout: {mode: SLOW}"),
                  "rollout.mode: has to be one of IMMEDIATE, CANARY, MANUAL, found"},
        BadConfig{"CanaryOfMostRequests", WithModelKey("rollout: {canary_percent: 60}"),
                  "models[0].rollout.canary_percent: 60 is out of range; 0.1 to 50 is allowed"},
        BadConfig{"CanaryWithoutTime", WithModelKey("rollout: {canary_s: 0}"),
                  "models[0].rollout.canary_s: 0 is out of range; 1 to 604800 is allowed"},
        BadConfig{"LogWithoutFolder", WithModelKey("prediction_log: {sample_percent: 5}"),
                  "models[0].prediction_log.folder: is required"},
        BadConfig{"LogOfNothing", WithModelKey("prediction_log: {folder: l, sample_percent: 0}"),
                  "prediction_log.sample_percent: 0 is out of range; 0.0001 to 100 is allowed"},
        BadConfig{"LogRecordsTooLargeForTheRing",
                  WithModelKey("prediction_log: {folder: l, ring_mib: 2, max_record_kib: 1024}"),
                  "prediction_log.max_record_kib: 1024 is not below half of ring_mib, 2"},
        BadConfig{"LogFilesTooLargeForTheirSum",
                  WithModelKey("prediction_log: {folder: l, max_total_mib: 200}"),
                  "prediction_log.max_total_mib: 200 is less than twice max_file_mib, 128"},
        BadConfig{"NumberForAName", WithModelKey("catalogue: {item_vectors: 1}"),
                  "item_vectors: has to be one of F32, INT8, found '1'"},
        BadConfig{"NoValue", WithKey("http_listen:"),
                  "f.yaml:5: http_listen: has to be a text, found nothing"},
        BadConfig{"MapForScalar", WithKey("drain_timeout_ms: {a: 1}"),
                  "f.yaml:5: drain_timeout_ms: has to be a whole number from 0 to 4294967295, "
                  "found a list or map"},
        BadConfig{"ScalarForMap", WithKey("limits: 5"), "f.yaml:5: limits: has to be a map"},
        BadConfig{"DrainTooLong", WithKey("drain_timeout_ms: 600001"),
                  "f.yaml:5: drain_timeout_ms: 600001 is out of range"},
        BadConfig{"LimitZero", WithKey("limits:\n  max_candidates: 0"),
                  "f.yaml:6: limits.max_candidates: 0 is out of range"},
        BadConfig{"AddressWithoutPort", WithKey("listen: [localhost]"),
                  "f.yaml:5: listen[0]: 'localhost' is not HOST:PORT"},
        BadConfig{"PortTooLarge", WithKey("http_listen: localhost:65536"),
                  "f.yaml:5: http_listen: 'localhost:65536' is not HOST:PORT"},
        BadConfig{"SocketPathTooLong", WithKey("listen: [\"unix:" + std::string(108, 'x') + "\"]"),
                  "has 108 bytes; 1 to 107"},
        BadConfig{"NotAMap", "- a\n", "f.yaml:1: the document: has to be a map"}),
    [](const auto& test) { return test.param.what; });

}  // namespace
}  // namespace fmserve::server
