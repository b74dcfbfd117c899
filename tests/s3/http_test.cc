#include "s3/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "s3/encoding.h"
#include "tests/s3/scripted_server.h"

namespace fmserve::s3 {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Reply = ScriptedServer::Reply;

class HttpTest : public ::testing::Test {
 protected:
  HttpClient client_{
      {.connect_timeout_ms = 2'000, .stall = {.bytes_per_second = 10, .seconds = 1}}};
};

TEST_F(HttpTest, SendsAndReceives) {
  ScriptedServer server([](const ServedRequest&) {
    return Answer(201, "ETag: \"e\"\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\n", "answer");
  });
  HttpRequest request{.method = "PUT", .url = server.Url() + "/a%20b?x=1"};
  request.headers = {{"If-Match", "\"m\""}};
  request.body = AsBytes("body");
  const auto response = client_.Send(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->Header("etag"), "\"e\"");
  EXPECT_EQ(response->body, "answer");
  EXPECT_EQ(response->ContentLength(), 6u);
  EXPECT_EQ(response->Date(),
            absl::FromCivil(absl::CivilSecond(2026, 3, 1, 12, 0, 0), absl::UTCTimeZone()));
  const ServedRequest served = server.requests().at(0);
  EXPECT_EQ(served.method, "PUT");
  EXPECT_EQ(served.target, "/a%20b?x=1");
  EXPECT_EQ(served.body, "body");
  EXPECT_EQ(served.headers.at("if-match"), "\"m\"");
  EXPECT_EQ(served.headers.count("expect"), 0u);
  EXPECT_EQ(served.headers.count("content-type"), 0u);
  EXPECT_EQ(served.headers.count("accept-encoding"), 0u);
}

TEST_F(HttpTest, KeepsItsConnection) {
  ScriptedServer server([](const ServedRequest&) { return Answer(200, "", "x"); });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client_.Send({.url = server.Url()}).ok());
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpTest, TriesAnewWhenAKeptConnectionWasClosed) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) {
    reply.Send(Answer(200, "", "x"));
    reply.Close();
  });
  for (int i = 0; i < 3; ++i) {
    const auto response =
        client_.Send({.method = "PUT", .url = server.Url(), .body = AsBytes("b")});
    ASSERT_TRUE(response.ok()) << response.status();
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(HttpTest, FollowsNoRedirect) {
  ScriptedServer other([](const ServedRequest&) { return Answer(200); });
  ScriptedServer server([&](const ServedRequest&) {
    return Answer(307, absl::StrCat("Location: ", other.Url(), "\r\n"));
  });
  EXPECT_EQ(client_.Send({.url = server.Url()})->status, 307);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(HttpTest, RefusesABodyThatIsTooLong) {
  ScriptedServer told([](const ServedRequest&) { return Answer(200, "", std::string(101, 'x')); });
  ScriptedServer chunked([](const ServedRequest&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x') +
           "\r\n0\r\n\r\n";
  });
  for (const ScriptedServer* const server : {&told, &chunked}) {
    const auto response = client_.Send({.url = server->Url(), .max_body_bytes = 100});
    EXPECT_TRUE(absl::IsResourceExhausted(response.status())) << response.status();
    EXPECT_TRUE(client_.Send({.url = server->Url(), .max_body_bytes = 101}).ok());
  }
}

TEST_F(HttpTest, KeepsTheBeginningOfALongError) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) {
    reply.Send("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!reply.close()) reply.Send("400\r\n" + std::string(1024, 'x') + "\r\n");
  });
  const auto response = client_.Send({.url = server.Url()});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 500);
  EXPECT_LE(response->body.size(), 64u << 10);
}

TEST_F(HttpTest, RefusesEndlessHeaders) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) {
    reply.Send("HTTP/1.1 200 OK\r\n");
    while (!reply.close()) reply.Send("X-More: " + std::string(1000, 'x') + "\r\n");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(client_.Send({.url = server.Url()}).status()));
}

TEST_F(HttpTest, ABodyThatBreaksOffIsUnavailable) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) {
    reply.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    reply.Close();
  });
  std::string taken;
  HttpRequest request{.url = server.Url()};
  request.sink = [&](std::span<const std::byte> bytes) {
    taken.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsUnavailable(client_.Send(request).status()));
  EXPECT_EQ(taken, "half");
}

TEST_F(HttpTest, NobodyThereIsUnavailable) {
  std::string url;
  {
    ScriptedServer gone([](const ServedRequest&) { return Answer(200); });
    url = gone.Url();
  }
  const absl::Status status = client_.Send({.url = url + "/secret?path"}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(url));
  EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("secret")));
}

TEST_F(HttpTest, NoAnswerStalls) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) { reply.WaitForHangUp(); });
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status status = client_.Send({.url = server.Url()}).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5'000));
}

TEST_F(HttpTest, ABodyThatStopsStalls) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) {
    reply.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    reply.WaitForHangUp();
  });
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_.Send({.url = server.Url()}).status()));
}

TEST_F(HttpTest, ASlowSinkIsNoStall) {
  ScriptedServer server([](const ServedRequest&) { return Answer(200, "", "body"); });
  HttpRequest request{.url = server.Url()};
  request.sink = [](std::span<const std::byte>) {
    std::this_thread::sleep_for(milliseconds(1'500));
    return absl::OkStatus();
  };
  const auto response = client_.Send(request);
  EXPECT_TRUE(response.ok()) << response.status();
}

TEST_F(HttpTest, AnErrorOfTheSinkEndsTheCall) {
  ScriptedServer server([](const ServedRequest&) { return Answer(200, "", "body"); });
  HttpRequest request{.url = server.Url()};
  request.sink = [](std::span<const std::byte>) { return absl::DataLossError("mine"); };
  EXPECT_EQ(client_.Send(request).status(), absl::DataLossError("mine"));
}

TEST_F(HttpTest, TheSinkSeesNoErrorsAndNothingThatBeginRefuses) {
  std::atomic<int> status = 500;
  ScriptedServer server([&](const ServedRequest&) { return Answer(status, "", "body"); });
  int taken = 0;
  HttpRequest request{.url = server.Url()};
  request.begin = [](const HttpResponse&) { return absl::OutOfRangeError("mine"); };
  request.sink = [&](std::span<const std::byte>) {
    ++taken;
    return absl::OkStatus();
  };
  EXPECT_EQ(client_.Send(request)->body, "body");
  status = 200;
  EXPECT_EQ(client_.Send(request).status(), absl::OutOfRangeError("mine"));
  EXPECT_EQ(taken, 0);
}

// Runs `stop` while a call waits for its answer; returns the call's status and how long it took to
// end.
std::pair<absl::Status, milliseconds> StopUnderway(HttpClient& client, std::stop_token token,
                                                   const std::function<void()>& stop) {
  ScriptedServer server([](const ServedRequest&, Reply& reply) { reply.WaitForHangUp(); });
  absl::Status status;
  std::thread calling([&] { status = client.Send({.url = server.Url(), .stop = token}).status(); });
  while (server.requests().empty()) std::this_thread::sleep_for(milliseconds(5));
  const auto begin = std::chrono::steady_clock::now();
  stop();
  calling.join();
  return {status,
          std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin)};
}

TEST_F(HttpTest, IsCancelledFromAnotherThread) {
  const auto [status, time] = StopUnderway(client_, {}, [&] { client_.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LT(time, milliseconds(500));  // 100 on a machine that is not busy
  EXPECT_TRUE(absl::IsCancelled(client_.Send({.url = "http://127.0.0.1:1"}).status()));
}

TEST_F(HttpTest, OneCallIsStoppedAlone) {
  std::stop_source source;
  const auto [status, time] =
      StopUnderway(client_, source.get_token(), [&] { source.request_stop(); });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LT(time, milliseconds(500));
  ScriptedServer server([](const ServedRequest&) { return Answer(200); });
  EXPECT_TRUE(client_.Send({.url = server.Url()}).ok());
}

TEST_F(HttpTest, SeveralThreadsCallAtOnce) {
  ScriptedServer server(
      [](const ServedRequest& request) { return Answer(200, "", request.target); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = absl::StrCat("/", t, "-", i);
        const auto response = client_.Send({.url = server.Url() + path});
        EXPECT_EQ(response.ok() ? response->body : response.status().ToString(), path);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(server.connections(), 4);
}

}  // namespace
}  // namespace fmserve::s3
