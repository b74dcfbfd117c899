#include "server/prediction_log.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "model/feature_encoder.h"
#include "server/message_bytes.h"
#include "server/predictor.h"
#include "tests/server/logged_records.h"
#include "tests/server/sample_model.h"

namespace fmserve::server {
namespace {

namespace fs = std::filesystem;
using google::protobuf::util::MessageDifferencer;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr milliseconds kPatience{30000};

class PredictionLogTest : public testing::Test {
 protected:
  PredictionLogTest() : snapshot_(SampleSnapshot()), folder_(NewFolder() + "/log") {
    options_.model = "ctr";
    options_.folder = folder_;
    options_.sample_percent = 100.0;
    options_.flush_interval = milliseconds(1);
    options_.first_retry = milliseconds(1);
    options_.last_retry = milliseconds(20);
  }

  void Start() {
    log_ = std::make_unique<PredictionLog>(
        options_, [this](uint64_t version) -> std::shared_ptr<const loader::Snapshot> {
          return version == 0 || version == snapshot_->version() ? snapshot_ : nullptr;
        });
  }

  v1::PredictResponse Answer(const v1::PredictRequest& request) {
    v1::PredictResponse response;
    const RequestBudget no_limit(SystemClock(), {}, Clock::TimePoint::max());
    PredictScratch scratch;
    EXPECT_TRUE(Predict(*snapshot_, {}, no_limit, request, &scratch, &response).ok());
    response.set_model("ctr");
    response.set_request_id(request.request_id());
    return response;
  }

  template <typename Request, typename Response>
  void Put(CallKind kind, const Request& request, const Response& response) {
    grpc::ByteBuffer request_bytes;
    grpc::ByteBuffer response_bytes;
    ASSERT_TRUE(SerializeMessage(request, &request_bytes).ok());
    ASSERT_TRUE(SerializeMessage(response, &response_bytes).ok());
    log_->Put(kind, request_bytes, response_bytes);
  }

  // A small record with this id.
  void PutOne(const std::string& id) {
    v1::PredictRequest request = FriendlyRequest(1);
    request.set_request_id(id);
    v1::PredictResponse response;
    response.set_request_id(id);
    Put(CallKind::kPredict, request, response);
  }

  // Until counts() is so; fails the test after half a minute.
  template <typename Condition>
  void WaitUntil(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition(log_->Counts())) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  void WaitForRecords(uint64_t count) {
    WaitUntil([count](const PredictionLogCounts& counts) { return counts.records >= count; });
  }

  std::vector<std::string> LoggedIds() const {
    std::vector<std::string> ids;
    for (const auto& record : LoggedRecords(folder_))
      ids.push_back(record.predict_response().request_id());
    return ids;
  }

  const std::shared_ptr<const loader::Snapshot> snapshot_;
  const std::string folder_;
  PredictionLogOptions options_;
  std::unique_ptr<PredictionLog> log_;
};

TEST_F(PredictionLogTest, HoldsCallsAsTheyCameAndWent) {
  Start();
  const auto before = std::chrono::system_clock::now();
  const v1::PredictRequest friendly = FriendlyRequest(20);
  const v1::PredictRequest packed = PackedRequest(20);
  v1::TopKRequest top_k;
  top_k.set_k(3);
  *top_k.mutable_packed() = PackedRequest(0).packed();
  v1::TopKResponse best;
  best.mutable_ids()->add_strings("a7");
  best.add_predictions(0.25F);
  Put(CallKind::kPredict, friendly, Answer(friendly));
  Put(CallKind::kPredict, packed, Answer(packed));
  Put(CallKind::kTopK, top_k, best);
  ASSERT_TRUE(log_->Stop(kPatience));

  const auto records = LoggedRecords(folder_);
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(MessageDifferencer::Equals(records[0].predict_request(), friendly));
  EXPECT_TRUE(MessageDifferencer::Equals(records[0].predict_response(), Answer(friendly)));
  EXPECT_TRUE(MessageDifferencer::Equals(records[1].predict_request(), packed));
  EXPECT_TRUE(MessageDifferencer::Equals(records[1].predict_response(), Answer(packed)));
  EXPECT_TRUE(MessageDifferencer::Equals(records[2].top_k_request(), top_k));
  EXPECT_TRUE(MessageDifferencer::Equals(records[2].top_k_response(), best));
  EXPECT_THAT(records[0].field_names(),
              ElementsAre("user", "hour", "age", "ad", "tags", "price", "image"));
  EXPECT_FALSE(records[0].has_weights());
  const std::chrono::microseconds time(records[1].time_unix_us());
  EXPECT_GE(time, std::chrono::duration_cast<std::chrono::microseconds>(before.time_since_epoch()));
  EXPECT_LE(time, std::chrono::system_clock::now().time_since_epoch());
  const PredictionLogCounts counts = log_->Counts();
  EXPECT_EQ(counts.records, 3U);
  EXPECT_EQ(counts.bytes, fs::file_size(folder_ + "/" + LogFileNames(folder_).at(0)));
  EXPECT_THAT(counts.dropped, ElementsAre(0, 0, 0));
}

// (w, v) by key, of a record.
using Rows = std::map<uint64_t, std::pair<float, std::vector<float>>>;

Rows RowsOf(const v1::UsedWeights& weights) {
  Rows rows;
  const auto k = static_cast<ptrdiff_t>(weights.k());
  for (int i = 0; i < weights.keys_size(); ++i) {
    const auto begin = weights.factors().begin() + i * k;
    rows[weights.keys(i)] = {weights.linear(i), {begin, begin + k}};
  }
  return rows;
}

// Rendle's sum over pairs.
double ScoreOf(const v1::UsedWeights& weights, const model::FeatureList& features) {
  const Rows rows = RowsOf(weights);
  double score = weights.w0();
  std::vector<double> sums(weights.k(), 0.0);
  std::vector<double> squares(weights.k(), 0.0);
  for (size_t i = 0; i < features.size(); ++i) {
    const auto row = rows.find(features.keys[i]);
    if (row == rows.end()) continue;
    score += double{row->second.first} * features.xs[i];
    for (size_t f = 0; f < weights.k(); ++f) {
      const double vx = double{row->second.second[f]} * features.xs[i];
      sums[f] += vx;
      squares[f] += vx * vx;
    }
  }
  for (size_t f = 0; f < weights.k(); ++f) score += (sums[f] * sums[f] - squares[f]) / 2;
  return score;
}

TEST_F(PredictionLogTest, OneInSoManyRecordsHasTheWeightsThatItsScoresComeFrom) {
  options_.weights_one_in = 2;
  Start();
  for (int i = 0; i < 4; ++i) {
    const v1::PredictRequest request = PackedRequest(1);
    Put(CallKind::kPredict, request, Answer(request));
  }
  ASSERT_TRUE(log_->Stop(kPatience));
  const auto records = LoggedRecords(folder_);
  ASSERT_THAT(records, SizeIs(4));
  EXPECT_FALSE(records[1].has_weights());
  EXPECT_TRUE(records[2].has_weights());
  const v1::UsedWeights& weights = records[0].weights();
  EXPECT_EQ(weights.factors_size(), weights.keys_size() * static_cast<int>(weights.k()));

  const v1::PackedFeatures& packed = records[0].predict_request().packed();
  model::FeatureList features;
  model::FeatureEncoder encoder(snapshot_->schema(), &features);
  const auto* fields = reinterpret_cast<const uint8_t*>(packed.fields().data());
  size_t begin = 0;
  for (const size_t length :
       {size_t{packed.context_length()}, size_t{packed.candidate_lengths(0)}}) {
    const model::PackedList list{.fields = {fields + begin, length},
                                 .keys = {packed.keys().data() + begin, length},
                                 .values = {packed.values().data() + begin, length}};
    size_t refused = length;
    ASSERT_TRUE(
        encoder.AddPacked(begin == 0 ? model::Side::kContext : model::Side::kItem, list, &refused)
            .ok());
    begin += length;
  }
  const double prediction =
      snapshot_->scorer().Predict(static_cast<float>(ScoreOf(weights, features)));
  EXPECT_NEAR(prediction, records[0].predict_response().predictions(0), 1e-5);
}

TEST_F(PredictionLogTest, RecordsAreInTheirFileAfterTheFlushInterval) {
  options_.flush_interval = milliseconds(100);
  Start();
  PutOne("a");
  WaitForRecords(1);
  EXPECT_THAT(LogFileNames(folder_), ElementsAre(HasSubstr(".fmlog.zst.open")));
  EXPECT_THAT(LoggedIds(), ElementsAre("a"));
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_THAT(LogFileNames(folder_), ElementsAre(testing::EndsWith(".fmlog.zst")));
  EXPECT_THAT(LoggedIds(), ElementsAre("a"));
}

TEST_F(PredictionLogTest, FilesAreFinishedByAge) {
  options_.max_file_age = milliseconds(20);
  Start();
  PutOne("a");
  const auto finished = [this] {
    const auto names = LogFileNames(folder_);
    return names.size() == 1 && names[0].ends_with(".zst");
  };
  for (const auto end = std::chrono::steady_clock::now() + kPatience; !finished();) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(milliseconds(1));
  }
  PutOne("b");
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_THAT(LogFileNames(folder_), SizeIs(2));
  EXPECT_THAT(LoggedIds(), ElementsAre("a", "b"));
}

TEST_F(PredictionLogTest, FilesAreFinishedBySizeAndTheOldestAreRemoved) {
  options_.max_file_bytes = 1;
  options_.max_total_bytes = 2500;
  Start();
  uint64_t largest = 0;
  for (int i = 0; i < 20; ++i) {
    PutOne("id-" + std::to_string(i));
    WaitForRecords(static_cast<uint64_t>(i) + 1);
    uint64_t bytes = 0;
    for (const auto& name : LogFileNames(folder_)) {
      std::error_code gone;  // finished, which renames it, or removed meanwhile
      const uintmax_t size = fs::file_size(folder_ + "/" + name, gone);
      if (!gone) bytes += size;
    }
    largest = std::max(largest, bytes);
  }
  ASSERT_TRUE(log_->Stop(kPatience));
  const auto ids = LoggedIds();
  const uint64_t removed = log_->Counts().files_removed;
  EXPECT_EQ(ids.size() + removed, 20U);
  EXPECT_GT(removed, 0U);
  EXPECT_GT(ids.size(), 2U);
  EXPECT_EQ(ids.back(), "id-19");
  EXPECT_LE(largest, 2500U + 1000U);
}

TEST_F(PredictionLogTest, FilesOfOtherModelsAndOthersStay) {
  fs::create_directories(folder_);
  const std::string others[] = {"ctr-new-20200101T000000.000000Z.fmlog.zst",
                                "cvr-20200101T000000.000000Z.fmlog.zst", "ctr-notes.txt"};
  for (const std::string& name : others)
    std::ofstream(folder_ + "/" + name) << std::string(5000, 'x');
  options_.max_file_bytes = 1;
  options_.max_total_bytes = 2;
  Start();
  for (uint64_t i = 0; i < 3; ++i) {
    PutOne("a");
    WaitForRecords(i + 1);
  }
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(folder_ + "/" + name)) << name;
  EXPECT_GT(log_->Counts().files_removed, 0U);
}

TEST_F(PredictionLogTest, WhatAKilledServerLeftStaysReadable) {
  Start();
  PutOne("a");
  WaitForRecords(1);
  ASSERT_TRUE(log_->Stop(kPatience));
  const std::string name = LogFileNames(folder_).at(0);
  const std::string left = folder_ + "/ctr-20200101T000000.000000Z.fmlog.zst";
  fs::rename(folder_ + "/" + name, left + ".open");
  std::ofstream(left + ".open", std::ios::app) << std::string("\x28\xb5\x2f\xfd\x04", 5);
  log_.reset();

  Start();
  PutOne("b");
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_TRUE(fs::exists(left));
  EXPECT_FALSE(fs::exists(left + ".open"));
  EXPECT_THAT(LoggedIds(), ElementsAre("a", "b"));
}

TEST_F(PredictionLogTest, AFullDiskCostsItsRecordsAndIsTriedAgain) {
  std::atomic<bool> full = false;
  options_.write = [&full](int fd, const void* data, size_t bytes) -> ssize_t {
    if (!full) return write(fd, data, bytes);
    if (bytes > 10) return write(fd, data, 10);  // some of it still fits
    errno = ENOSPC;
    return -1;
  };
  Start();
  PutOne("before");
  WaitForRecords(1);
  full = true;
  PutOne("lost");
  WaitUntil([](const PredictionLogCounts& counts) { return counts.failing; });
  EXPECT_EQ(log_->Counts().last_error, "RESOURCE_EXHAUSTED");
  EXPECT_GE(log_->Counts().dropped[static_cast<size_t>(LogDrop::kDisk)], 1U);
  full = false;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (int i = 0; log_->Counts().failing; ++i) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    PutOne("after");
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_TRUE(log_->Stop(kPatience));
  const auto ids = LoggedIds();
  EXPECT_EQ(ids.front(), "before");
  EXPECT_EQ(ids.back(), "after");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "lost"), 0);
  EXPECT_EQ(ids.size(), log_->Counts().records);
}

TEST_F(PredictionLogTest, ASlowDiskCostsRecordsAndHoldsNobodyUp) {
  std::atomic<bool> hangs = true;
  options_.write = [&hangs](int fd, const void* data, size_t bytes) {
    while (hangs) std::this_thread::sleep_for(milliseconds(1));
    return write(fd, data, bytes);
  };
  options_.ring_bytes = 64 << 10;
  Start();
  constexpr uint64_t kRecords = 2000;
  for (uint64_t i = 0; i < kRecords; ++i) PutOne("id-" + std::to_string(i));
  const auto dropped = [this] {
    return log_->Counts().dropped[static_cast<size_t>(LogDrop::kRing)];
  };
  EXPECT_GT(dropped(), kRecords / 2);
  EXPECT_FALSE(log_->Stop(milliseconds(10)));
  hangs = false;
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_EQ(LoggedIds().size() + dropped(), kRecords);
  EXPECT_EQ(log_->Counts().records + dropped(), kRecords);
}

TEST_F(PredictionLogTest, AFolderThatVanishesIsMadeAnew) {
  Start();
  PutOne("a");
  WaitForRecords(1);
  fs::remove_all(folder_);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (LogFileNames(folder_).empty() || LoggedIds().empty()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    PutOne("b");
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_GE(log_->Counts().failures, 1U);
  EXPECT_EQ(LoggedIds().front(), "b");
}

TEST_F(PredictionLogTest, AFolderThatCannotBeMadeIsTriedAgain) {
  options_.folder = NewFolder() + "/file/log";
  const std::string in_the_way = fs::path(options_.folder).parent_path();
  std::ofstream(in_the_way) << "not a folder";
  Start();
  PutOne("lost");
  WaitUntil([](const PredictionLogCounts& counts) { return counts.failing; });
  fs::remove(in_the_way);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (log_->Counts().records == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    PutOne("after");
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(log_->Counts().failing);
}

TEST_F(PredictionLogTest, AFolderIsWrittenByOneServer) {
  Start();
  PutOne("a");
  WaitForRecords(1);
  std::unique_ptr<PredictionLog> first = std::move(log_);
  Start();
  PutOne("b");
  WaitUntil([](const PredictionLogCounts& counts) { return counts.failing; });
  EXPECT_EQ(log_->Counts().last_error, "UNAVAILABLE");
  EXPECT_THAT(LogFileNames(folder_), SizeIs(1));
}

TEST_F(PredictionLogTest, GiantsAreDroppedAndCounted) {
  options_.max_record_bytes = 1000;
  Start();
  const v1::PredictRequest giant = PackedRequest(200);
  Put(CallKind::kPredict, giant, Answer(giant));
  PutOne("a");
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_THAT(LoggedIds(), ElementsAre("a"));
  EXPECT_EQ(log_->Counts().dropped[static_cast<size_t>(LogDrop::kSize)], 1U);
}

TEST_F(PredictionLogTest, ItsFilesAreForUserAndGroupAlone) {
  Start();
  PutOne("a");
  ASSERT_TRUE(log_->Stop(kPatience));
  const fs::perms others = fs::perms::others_all;
  EXPECT_EQ(fs::status(folder_).permissions() & others, fs::perms::none);
  EXPECT_EQ(fs::status(folder_ + "/" + LogFileNames(folder_).at(0)).permissions() & others,
            fs::perms::none);
}

TEST_F(PredictionLogTest, NothingIsWrittenBeforeTheFirstRecord) {
  Start();
  ASSERT_TRUE(log_->Stop(kPatience));
  EXPECT_FALSE(fs::exists(folder_));
}

}  // namespace
}  // namespace fmserve::server
