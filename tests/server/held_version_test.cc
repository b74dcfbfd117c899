// The shadow gate of a running server: live requests hold a version, an operator decides.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using ::testing::HasSubstr;

class HeldVersionTest : public testing::Test {
 protected:
  // Version 1 serves and has answered enough requests to judge others by.
  void StartUnderTraffic() {
    v1::ShadowGateConfig* const gate = server_.config().mutable_models(0)->mutable_shadow_gate();
    gate->set_enabled(true);
    gate->set_min_requests(20);
    gate->set_sample_one_in(1);
    gate->set_max_samples_per_second(10000);
    v1::WatchConfig* const watch = server_.config().mutable_models(0)->mutable_watch();
    watch->set_enabled(true);
    watch->set_min_requests(20);
    server_.EnableHttp();
    server_.Start();
    server_.PublishAndLoad("ctr", 1);
    for (int i = 0; i < 200; ++i) ServedVersion();
  }

  // Publishes the weights of version 1 with all scores `shift` higher, and looks at the store.
  uint64_t PublishShifted(double shift) {
    const uint64_t version = server_.Publish("ctr", 1, shift);
    grpc::ClientContext context;
    v1::ReloadRequest request;
    request.set_model("ctr");
    v1::ReloadResponse response;
    reloaded_ = server_.operators().Reload(&context, request, &response);
    return version;
  }

  uint64_t ServedVersion() {
    grpc::ClientContext context;
    v1::PredictResponse response;
    const grpc::Status status =
        server_.prediction().Predict(&context, PackedRequest(10), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.version();
  }

  v1::GateReport Report() {
    grpc::ClientContext context;
    v1::GetGateReportRequest request;
    v1::GetGateReportResponse response;
    const grpc::Status status = server_.operators().GetGateReport(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.report();
  }

  v1::VersionState StateOf(uint64_t version) {
    grpc::ClientContext context;
    v1::ListVersionsResponse response;
    EXPECT_TRUE(server_.operators().ListVersions(&context, {}, &response).ok());
    for (const v1::Version& listed : response.versions()) {
      if (listed.version() == version) return listed.state();
    }
    return v1::VERSION_STATE_UNSPECIFIED;
  }

  TestServer server_;
  grpc::Status reloaded_;
};

TEST_F(HeldVersionTest, OneWhoseLogitsAreAllHigherIsHeldAndServesWhenItIsApproved) {
  StartUnderTraffic();
  const uint64_t version = PublishShifted(1.0);
  EXPECT_THAT(reloaded_.error_message(), HasSubstr("version 2 is held: "));
  EXPECT_EQ(ServedVersion(), 1U);
  EXPECT_EQ(StateOf(version), v1::VERSION_STATE_HELD);
  const v1::GateReport report = Report();
  EXPECT_EQ(report.verdict(), v1::GATE_VERDICT_HELD);
  EXPECT_EQ(report.version(), 2U);
  EXPECT_EQ(report.serving_version(), 1U);
  EXPECT_GE(report.requests_count(), 20U);
  for (const v1::GateMeasure& measure : report.measures()) {
    if (measure.name() != "logit_shift") continue;
    EXPECT_FALSE(measure.passed());
    EXPECT_NEAR(measure.value(), 1.0, 1e-3);
  }
  server_.WaitForPage("/metrics", "fmserve_held_version{model=\"ctr\"} 2\n");
  server_.WaitForPage(
      "/metrics", "fmserve_gate_results_total{model=\"ctr\",gate=\"shadow\",result=\"held\"} 1\n");
  grpc::ClientContext context;
  v1::ApproveRequest request;
  request.set_version(version);
  v1::ApproveResponse response;
  ASSERT_TRUE(server_.operators().Approve(&context, request, &response).ok());
  EXPECT_EQ(response.model().serving_version(), version);
  EXPECT_EQ(response.model().held_version(), 0U);
  EXPECT_EQ(response.model().watched_version(), version);
  EXPECT_EQ(ServedVersion(), version);
}

TEST_F(HeldVersionTest, OneThatIsApprovedAndIsBrokenIndeedIsRolledBackByItsWatch) {
  StartUnderTraffic();
  const uint64_t version = PublishShifted(1.0);
  grpc::ClientContext context;
  v1::ApproveRequest request;
  request.set_version(version);
  v1::ApproveResponse response;
  ASSERT_TRUE(server_.operators().Approve(&context, request, &response).ok());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (ServedVersion() == version && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_EQ(ServedVersion(), 1U);
  EXPECT_EQ(StateOf(version), v1::VERSION_STATE_REJECTED);
  server_.WaitForPage("/metrics", "fmserve_automatic_rollbacks_total{model=\"ctr\"} 1\n");
  EXPECT_THAT(Report().detail(), HasSubstr("logit_shift is 1"));
}

TEST_F(HeldVersionTest, OneThatPredictsTheSamePassesItsWatch) {
  StartUnderTraffic();
  const uint64_t version = PublishShifted(0.05);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(ServedVersion(), version);
  server_.WaitForPage("/metrics", "fmserve_watched_version{model=\"ctr\"} 2\n");
  server_.WaitForPage("/metrics", "fmserve_automatic_rollbacks_total{model=\"ctr\"} 0\n");
}

TEST_F(HeldVersionTest, OneThatIsRejectedIsRejectedForTheOperatorsReason) {
  StartUnderTraffic();
  const uint64_t version = PublishShifted(-1.0);
  EXPECT_EQ(StateOf(version), v1::VERSION_STATE_HELD);
  grpc::ClientContext context;
  v1::RejectRequest request;
  request.set_version(version);
  request.set_reason("a bias of a test");
  v1::RejectResponse response;
  ASSERT_TRUE(server_.operators().Reject(&context, request, &response).ok());
  EXPECT_EQ(StateOf(version), v1::VERSION_STATE_REJECTED);
  EXPECT_EQ(ServedVersion(), 1U);
  EXPECT_THAT(response.model().last_error(), HasSubstr("a bias of a test"));
  server_.WaitForPage("/metrics",
                      "fmserve_rejected_versions_total{model=\"ctr\",artifact=\"weights\",reason="
                      "\"operator\"} 1\n");
}

TEST_F(HeldVersionTest, OneThatPredictsTheSameServesAndHasAReport) {
  StartUnderTraffic();
  const uint64_t version = PublishShifted(0.05);
  EXPECT_TRUE(reloaded_.ok()) << reloaded_.error_message();
  EXPECT_EQ(ServedVersion(), version);
  EXPECT_EQ(Report().verdict(), v1::GATE_VERDICT_PASSED);
}

TEST_F(HeldVersionTest, WithoutTrafficEveryVersionPasses) {
  server_.config().mutable_models(0)->mutable_shadow_gate()->set_enabled(true);
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  PublishShifted(1.0);
  EXPECT_EQ(ServedVersion(), 2U);
  EXPECT_EQ(Report().verdict(), v1::GATE_VERDICT_TOO_FEW_REQUESTS);
}

}  // namespace
}  // namespace fmserve::server
