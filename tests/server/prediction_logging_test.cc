// Prediction logs of a whole server.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/log_sample.h"
#include "tests/server/logged_records.h"
#include "tests/server/sample_model.h"
#include "tests/server/test_server.h"

namespace fmserve::server {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PredictionLoggingTest : public testing::Test {
 protected:
  PredictionLoggingTest() : folder_(server_.folder() + "/log") {}

  // Of the model "ctr".
  void Log(double percent, TestServer* server) {
    v1::PredictionLogConfig* log = server->config().mutable_models(0)->mutable_prediction_log();
    log->set_folder(server->folder() + "/log");
    log->set_sample_percent(percent);
    log->set_ring_mib(4);
    log->set_max_record_kib(512);
    log->set_flush_interval_ms(50);
    log->set_max_file_mib(16);
    log->set_max_file_s(3600);
    log->set_max_total_mib(64);
  }

  static v1::PredictResponse Predict(TestServer* server, const v1::PredictRequest& request) {
    grpc::ClientContext context;
    v1::PredictResponse response;
    const grpc::Status status = server->prediction().Predict(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  TestServer server_;
  const std::string folder_;
};

TEST_F(PredictionLoggingTest, AnswersAreLoggedAsClientsSawThem) {
  Log(100.0, &server_);
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  server_.PublishAndLoad("cvr", 1);
  server_.PublishAndLoadCatalogue("ctr", 50);
  v1::PredictRequest friendly = FriendlyRequest(300);
  v1::PredictRequest items = PackedRequest(2);
  items.mutable_items()->add_integers(7);
  const v1::PredictResponse friendly_answer = Predict(&server_, friendly);
  const v1::PredictResponse items_answer = Predict(&server_, items);
  v1::TopKRequest top_k;
  *top_k.mutable_features()->mutable_context() = friendly.features().context();
  top_k.set_k(5);
  v1::TopKResponse best;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(server_.prediction().TopK(&context, top_k, &best).ok());
  }
  v1::PredictRequest other = FriendlyRequest(1);
  other.set_model("cvr");  // has no log
  Predict(&server_, other);
  {
    v1::PredictRequest refused = FriendlyRequest(1);
    refused.mutable_features()->add_context()->set_field("nonsense");
    grpc::ClientContext context;
    v1::PredictResponse response;
    EXPECT_FALSE(server_.prediction().Predict(&context, refused, &response).ok());
  }
  server_.server().Drain();

  const auto records = LoggedRecords(folder_);
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(MessageDifferencer::Equals(records[0].predict_request(), friendly));
  EXPECT_TRUE(MessageDifferencer::Equals(records[0].predict_response(), friendly_answer));
  EXPECT_TRUE(MessageDifferencer::Equals(records[1].predict_request(), items));
  EXPECT_TRUE(MessageDifferencer::Equals(records[1].predict_response(), items_answer));
  EXPECT_EQ(records[1].predict_response().predictions_size(), 3);
  EXPECT_TRUE(MessageDifferencer::Equals(records[2].top_k_request(), top_k));
  EXPECT_TRUE(MessageDifferencer::Equals(records[2].top_k_response(), best));
  EXPECT_FALSE(records[0].predict_response().request_id().empty());
}

TEST_F(PredictionLoggingTest, ASampleHasTheSameRequestsOnEveryServer) {
  std::set<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    const std::string id = absl::StrCat("page-view-", i);
    if (LogSample(30.0).Has(id)) expected.insert(id);
  }
  EXPECT_GT(expected.size(), 30U);
  for (int servers = 0; servers < 2; ++servers) {
    TestServer server;
    Log(30.0, &server);
    server.Start();
    server.PublishAndLoad("ctr", 1);
    for (int i = 0; i < 200; ++i) {
      v1::PredictRequest request = PackedRequest(1);
      request.set_request_id(absl::StrCat("page-view-", i));
      Predict(&server, request);
    }
    server.server().Drain();
    std::set<std::string> logged;
    for (const auto& record : LoggedRecords(server.folder() + "/log"))
      logged.insert(record.predict_response().request_id());
    EXPECT_EQ(logged, expected);
  }
}

TEST_F(PredictionLoggingTest, NothingIsLoggedUnlessAskedFor) {
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  Predict(&server_, PackedRequest(1));
  server_.server().Drain();
  EXPECT_THAT(LogFileNames(folder_), IsEmpty());
}

TEST_F(PredictionLoggingTest, PredictionsGoOnWhereNothingCanBeWrittenAndTheMetricsSaySo) {
  Log(100.0, &server_);
  server_.config().mutable_models(0)->mutable_prediction_log()->set_folder(
      "/proc/no/folder/can/be/here");
  server_.EnableHttp();
  server_.Start();
  server_.PublishAndLoad("ctr", 1);
  EXPECT_EQ(Predict(&server_, PackedRequest(3)).scored_count(), 3U);
  server_.WaitForPage("/metrics",
                      "fmserve_prediction_log_dropped_total{model=\"ctr\",reason=\"disk\"} 1");
  server_.WaitForPage("/metrics", "fmserve_prediction_log_records_total{model=\"ctr\"} 0");
  const std::string page = server_.HttpGet("/metrics");
  EXPECT_THAT(page, testing::ContainsRegex("fmserve_prediction_log_failing\\{model=\"ctr\",error="
                                           "\"[A-Z_]+\"\\} 1"));
  EXPECT_EQ(Predict(&server_, PackedRequest(3)).scored_count(), 3U);
}

}  // namespace
}  // namespace fmserve::server
