// A client of a scripted server, with an environment and a clock of the test's own.
#ifndef FMSERVE_TESTS_S3_CLIENT_FIXTURE_H_
#define FMSERVE_TESTS_S3_CLIENT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "s3/client.h"
#include "s3/environment.h"
#include "tests/s3/scripted_server.h"

namespace fmserve::s3 {

// Variables and a time that a test sets; from any thread.
class FakeEnvironment {
 public:
  void Set(const std::string& name, const std::string& value) {
    const std::lock_guard lock(mutex_);
    variables_[name] = value;
  }
  void Advance(absl::Duration duration) {
    const std::lock_guard lock(mutex_);
    now_ += duration;
  }
  absl::Time now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  Environment Get() {
    return {.variable =
                [this](const std::string& name) {
                  const std::lock_guard lock(mutex_);
                  const auto it = variables_.find(name);
                  return it == variables_.end() ? std::string() : it->second;
                },
            .now = [this] { return now(); }};
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> variables_{{"AWS_EC2_METADATA_DISABLED", "true"}};
  absl::Time now_ = absl::FromCivil(absl::CivilSecond(2026, 3, 1, 12, 0, 0), absl::UTCTimeZone());
};

inline constexpr char kSecret[] = "verySecretKey/of+40characters";
inline constexpr char kToken[] = "verySecretSessionToken==";

class S3ClientTest : public ::testing::Test {
 protected:
  S3ClientTest() {
    environment_.Set("AWS_ACCESS_KEY_ID", "AKID");
    environment_.Set("AWS_SECRET_ACCESS_KEY", kSecret);
    environment_.Set("AWS_SESSION_TOKEN", kToken);
  }

  // Starts the server and the client.
  void Serve(std::function<std::string(const ServedRequest&)> answer) {
    server_ = std::make_unique<ScriptedServer>(std::move(answer));
    Connect();
  }
  void Serve(ScriptedServer::Handler handler) {
    server_ = std::make_unique<ScriptedServer>(std::move(handler));
    Connect();
  }
  // From now on each request gets this answer.
  void AnswerWith(const std::string& answer) {
    {
      const std::lock_guard lock(mutex_);
      answer_ = answer;
    }
    if (server_ != nullptr) return;
    Serve([this](const ServedRequest&) {
      const std::lock_guard lock(mutex_);
      return answer_;
    });
  }
  void Connect() {
    options_.endpoint_url = server_->Url();
    auto client = Client::Create("bucket", options_, environment_.Get());
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  FakeEnvironment environment_;
  ClientOptions options_{.stall_seconds = 2};
  std::mutex mutex_;
  std::string answer_;  // guarded by mutex_
  std::unique_ptr<ScriptedServer> server_;
  std::unique_ptr<Client> client_;
};

inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace fmserve::s3

#endif  // FMSERVE_TESTS_S3_CLIENT_FIXTURE_H_
