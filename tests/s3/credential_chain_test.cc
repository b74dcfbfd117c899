#include <atomic>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "s3/credentials.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::HasSubstr;

// What a provider of the test answers with, and how often it was asked.
struct Script {
  std::function<absl::StatusOr<Credentials>()> load{};
  std::atomic<int> loads = 0;
};

class ScriptedProvider : public CredentialProvider {
 public:
  ScriptedProvider(std::string name, Script& script) : name_(std::move(name)), script_(script) {}
  absl::StatusOr<Credentials> Load() override {
    ++script_.loads;
    return script_.load();
  }
  void Cancel() override {}
  std::string Describe() const override { return name_; }

 private:
  const std::string name_;
  Script& script_;
};

class CredentialChainTest : public ::testing::Test {
 protected:
  CredentialChainTest() {
    first_.load = [] { return absl::NotFoundError("not set up"); };
    second_.load = [this] { return Fresh(); };
    std::vector<std::unique_ptr<CredentialProvider>> providers;
    providers.push_back(std::make_unique<ScriptedProvider>("first", first_));
    providers.push_back(std::make_unique<ScriptedProvider>("second", second_));
    chain_ = std::make_unique<CredentialChain>(std::move(providers), environment_.Get());
  }

  // Others each time, for an hour.
  Credentials Fresh() {
    return {.access_key_id = absl::StrCat("A", ++given_),
            .secret_access_key = kSecret,
            .session_token = kToken,
            .expires = environment_.now() + absl::Hours(1)};
  }
  std::string KeyId() {
    const auto credentials = chain_->Get();
    return credentials.ok() ? credentials->access_key_id : credentials.status().ToString();
  }

  FakeEnvironment environment_;
  Script first_, second_;
  std::atomic<int> given_ = 0;
  std::unique_ptr<CredentialChain> chain_;
};

TEST_F(CredentialChainTest, TheFirstThatIsSetUpGives) {
  EXPECT_EQ(chain_->Describe(), "credentials not found yet");
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(chain_->Describe(), "credentials from the second");
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(second_.loads, 1);
}

TEST_F(CredentialChainTest, WhatIsSetUpAndFailsIsNotPassedOver) {
  first_.load = [] { return absl::UnavailableError("down"); };
  EXPECT_EQ(KeyId(), "UNAVAILABLE: credentials: first: down");
  EXPECT_EQ(second_.loads, 0);
}

TEST_F(CredentialChainTest, SaysWhereItLooked) {
  second_.load = [] { return absl::NotFoundError("no role"); };
  EXPECT_EQ(KeyId(), "UNAUTHENTICATED: no credentials found; first: not set up; second: no role");
}

TEST_F(CredentialChainTest, RefreshesFiveMinutesBeforeTheyExpire) {
  EXPECT_EQ(KeyId(), "A1");
  environment_.Advance(absl::Minutes(55) - absl::Seconds(1));
  EXPECT_EQ(KeyId(), "A1");
  environment_.Advance(absl::Seconds(1));
  EXPECT_EQ(KeyId(), "A2");
}

TEST_F(CredentialChainTest, UsesOnWhatHoldsWhenRefreshingFails) {
  EXPECT_EQ(KeyId(), "A1");
  environment_.Advance(absl::Minutes(56));
  second_.load = [] { return absl::UnavailableError("down"); };
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(second_.loads, 2);  // not for each call
  environment_.Advance(CredentialChain::kRetryRefreshAfter);
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(second_.loads, 3);
  environment_.Advance(absl::Minutes(4));
  EXPECT_THAT(KeyId(), HasSubstr("UNAVAILABLE"));  // expired
  EXPECT_THAT(KeyId(), HasSubstr("UNAVAILABLE"));
  second_.load = [this] { return Fresh(); };
  EXPECT_EQ(KeyId(), "A2");  // heals at once
}

TEST_F(CredentialChainTest, LetsTheServerJudgeWhenTheClockMayBeWrong) {
  second_.load = [this] {
    Credentials credentials = Fresh();
    credentials.expires = environment_.now() - absl::Hours(2);
    return credentials;
  };
  EXPECT_EQ(KeyId(), "A1");
  EXPECT_EQ(KeyId(), "A1");
  environment_.Advance(CredentialChain::kRetryRefreshAfter);
  EXPECT_EQ(KeyId(), "A2");
}

TEST_F(CredentialChainTest, ReplacesWhatTheServerRefused) {
  const Credentials refused = *chain_->Get();
  EXPECT_EQ(chain_->Replace(refused)->access_key_id, "A2");
  // Another thread that was refused the same takes what is there by now.
  EXPECT_EQ(chain_->Replace(refused)->access_key_id, "A2");
  EXPECT_EQ(second_.loads, 2);
}

TEST_F(CredentialChainTest, SaysThatThereAreNoOthers) {
  const Credentials only{.access_key_id = "A", .secret_access_key = "s"};
  second_.load = [&] { return only; };
  EXPECT_TRUE(absl::IsPermissionDenied(chain_->Replace(*chain_->Get()).status()));
  EXPECT_EQ(KeyId(), "A");
}

TEST_F(CredentialChainTest, RefusesKeysThatCannotBeSent) {
  second_.load = [this] {
    Credentials credentials = Fresh();
    credentials.secret_access_key = absl::StrCat(kSecret, "\n");
    return credentials;
  };
  const absl::Status status = chain_->Get().status();
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("second: a key or token has"));
  EXPECT_THAT(MessageOf(status), ::testing::Not(HasSubstr(kSecret)));
}

TEST_F(CredentialChainTest, OneThreadRefreshesForAll) {
  second_.load = [this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return Fresh();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([this] { EXPECT_EQ(KeyId(), "A1"); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(second_.loads, 1);
}

TEST_F(CredentialChainTest, IsCancelledForGood) {
  EXPECT_EQ(KeyId(), "A1");
  chain_->Cancel();
  EXPECT_TRUE(absl::IsCancelled(chain_->Get().status()));
  EXPECT_TRUE(absl::IsCancelled(chain_->Replace({}).status()));
}

}  // namespace
}  // namespace fmserve::s3
