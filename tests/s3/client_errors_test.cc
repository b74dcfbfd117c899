#include <atomic>

#include "absl/strings/str_cat.h"
#include "s3/encoding.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Reply = ScriptedServer::Reply;

struct ErrorCase {
  const char* name;
  int http_status;
  const char* s3_code;  // empty: no body
  absl::StatusCode code;
  const char* words;
};

class ErrorTest : public S3ClientTest, public ::testing::WithParamInterface<ErrorCase> {};

TEST_P(ErrorTest, IsNamedInWords) {
  const ErrorCase& error = GetParam();
  const std::string code = error.s3_code;
  AnswerWith(
      Answer(error.http_status, "x-amz-request-id: REQ7\r\n", code.empty() ? "" : ErrorXml(code)));
  for (const absl::Status& status :
       {client_->Get("dir/key").status(), client_->Put("dir/key", AsBytes("x")).status()}) {
    EXPECT_EQ(status.code(), error.code) << status;
    EXPECT_THAT(
        MessageOf(status),
        AllOf(HasSubstr(" s3://bucket/dir/key: "), HasSubstr(error.words),
              HasSubstr(absl::StrCat(error.http_status)), HasSubstr(code), HasSubstr("REQ7")));
  }
}

using absl::StatusCode;
INSTANTIATE_TEST_SUITE_P(
    Answers, ErrorTest,
    ::testing::Values(
        ErrorCase{"NoKey", 404, "NoSuchKey", StatusCode::kNotFound, "no such key"},
        ErrorCase{"NoBucket", 404, "NoSuchBucket", StatusCode::kNotFound, "bucket does not exist"},
        ErrorCase{"Nothing", 404, "", StatusCode::kNotFound, "no such key"},
        ErrorCase{"WrongSecret", 403, "SignatureDoesNotMatch", StatusCode::kPermissionDenied,
                  "secret access key"},
        ErrorCase{"WrongKeyId", 403, "InvalidAccessKeyId", StatusCode::kPermissionDenied,
                  "access key id"},
        ErrorCase{"Denied", 403, "AccessDenied", StatusCode::kPermissionDenied, "policies"},
        ErrorCase{"Expired", 400, "ExpiredToken", StatusCode::kPermissionDenied, "expired"},
        ErrorCase{"Skewed", 403, "RequestTimeTooSkewed", StatusCode::kPermissionDenied, "clock"},
        ErrorCase{"ForbiddenWithoutWords", 403, "", StatusCode::kPermissionDenied, "credentials"},
        ErrorCase{"Precondition", 412, "PreconditionFailed", StatusCode::kFailedPrecondition,
                  "another one"},
        ErrorCase{"Conflict", 409, "ConditionalRequestConflict", StatusCode::kFailedPrecondition,
                  "came first"},
        ErrorCase{"Busy", 409, "OperationAborted", StatusCode::kUnavailable, "busy"},
        ErrorCase{"Range", 416, "InvalidRange", StatusCode::kOutOfRange, "behind the end"},
        ErrorCase{"Internal", 500, "InternalError", StatusCode::kUnavailable, "server fails"},
        ErrorCase{"SlowDown", 503, "SlowDown", StatusCode::kUnavailable, "fewer requests"},
        ErrorCase{"TooMany", 429, "TooManyRequests", StatusCode::kUnavailable, "fewer requests"},
        ErrorCase{"Gateway", 502, "", StatusCode::kUnavailable, "server fails"},
        ErrorCase{"Changed", 400, "XAmzContentSHA256Mismatch", StatusCode::kUnavailable, "changed"},
        ErrorCase{"Unknown", 501, "NotImplemented", StatusCode::kUnimplemented, "does not know"},
        ErrorCase{"Malformed", 400, "MalformedXML", StatusCode::kInternal, "answers with an error"},
        ErrorCase{"Redirect", 307, "TemporaryRedirect", StatusCode::kUnavailable, "error"},
        ErrorCase{"Teapot", 418, "", StatusCode::kInternal, "error"}),
    [](const auto& test) { return std::string(test.param.name); });

class ClientErrorsTest : public S3ClientTest {};

TEST_F(ClientErrorsTest, AWrongRegionIsNamedWithTheRightOne) {
  AnswerWith(Answer(301, "x-amz-bucket-region: eu-west-3\r\n", ErrorXml("PermanentRedirect")));
  absl::Status status = client_->Get("key").status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("in region eu-west-3, not in us-east-1"));
  AnswerWith(
      Answer(400, "", ErrorXml("AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>")));
  status = client_->Get("key").status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("in region ap-south-1"));
}

TEST_F(ClientErrorsTest, TellsHowLongTheServerWantsToBeLeftAlone) {
  const auto retry_after = [&](const std::string& header) {
    AnswerWith(Answer(503, header, ErrorXml("SlowDown")));
    return RetryAfter(client_->Get("key").status());
  };
  EXPECT_EQ(retry_after("Retry-After: 7\r\n"), absl::Seconds(7));
  EXPECT_EQ(retry_after("Retry-After: 86400\r\n"), absl::Minutes(5));
  EXPECT_EQ(retry_after("Retry-After: -5\r\n"), absl::ZeroDuration());
  EXPECT_EQ(retry_after("Retry-After: Sun, 01 Mar 2026 12:01:00 GMT\r\n"), absl::Minutes(1));
  EXPECT_EQ(retry_after("Retry-After: soon\r\n"), std::nullopt);
  EXPECT_EQ(retry_after(""), std::nullopt);
  EXPECT_EQ(RetryAfter(absl::OkStatus()), std::nullopt);
}

TEST_F(ClientErrorsTest, SetsItsClockByTheServerOnce) {
  const auto server_time = environment_.now() + absl::Hours(3);
  Serve([&](const ServedRequest& request) {
    if (request.headers.at("x-amz-date") == "20260301T150000Z") {
      return Answer(200, "ETag: \"e\"\r\n", "x");
    }
    return Answer(403,
                  absl::StrCat("Date: ",
                               absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", server_time,
                                                absl::UTCTimeZone()),
                               "\r\n"),
                  request.method == "HEAD" ? "" : ErrorXml("RequestTimeTooSkewed"));
  });
  EXPECT_TRUE(client_->Head("key").ok());  // which tells no reason
  EXPECT_TRUE(client_->Get("key").ok());
  EXPECT_EQ(server_->requests().size(), 3u);
}

TEST_F(ClientErrorsTest, AClockThatCannotBeSetIsNamed) {
  AnswerWith(
      Answer(403, "Date: Sun, 01 Mar 2026 15:00:00 GMT\r\n", ErrorXml("RequestTimeTooSkewed")));
  const absl::Status status = client_->Get("key").status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("clock"));
  EXPECT_EQ(server_->requests().size(), 2u);
}

TEST_F(ClientErrorsTest, TriesOnceWithNewCredentials) {
  Serve([&](const ServedRequest& request) {
    if (request.headers.at("x-amz-security-token") == "new") {
      return Answer(200, "ETag: \"e\"\r\n", "x");
    }
    environment_.Set("AWS_SESSION_TOKEN", "new");
    return Answer(400, "", ErrorXml("ExpiredToken"));
  });
  EXPECT_TRUE(client_->Get("key").ok());
  EXPECT_EQ(server_->requests().size(), 2u);
}

TEST_F(ClientErrorsTest, AsksOnceWhenThereAreNoOtherCredentials) {
  AnswerWith(Answer(403, "", ErrorXml("InvalidAccessKeyId")));
  EXPECT_TRUE(absl::IsPermissionDenied(client_->Get("key").status()));
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(ClientErrorsTest, RetriesNothingElse) {
  for (const int code : {500, 503, 429, 404, 412}) {
    AnswerWith(Answer(code));
    const size_t before = server_->requests().size();
    EXPECT_FALSE(client_->Get("key").ok());
    EXPECT_EQ(server_->requests().size(), before + 1) << code;
  }
}

TEST_F(ClientErrorsTest, BrokenShortAndStalledBodiesAreToBeTriedAgain) {
  AnswerWith("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nshort");
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_->Get("key").status()));
  server_.reset();
  EXPECT_TRUE(absl::IsUnavailable(client_->Get("key").status()));
  Serve([](const ServedRequest&, Reply& reply) {
    reply.Send("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nshort");
    reply.Close();
  });
  EXPECT_TRUE(absl::IsUnavailable(client_->Get("key").status()));
  server_.reset();
  Serve([](const ServedRequest&, Reply& reply) {
    reply.Send("nonsense\r\n\r\n");
    reply.Close();
  });
  EXPECT_TRUE(absl::IsUnavailable(client_->Get("key").status()));
}

// A server that sends back all it got, and more.
TEST_F(ClientErrorsTest, NoMessageHoldsASecret) {
  Serve([](const ServedRequest& request) {
    std::string all =
        absl::StrCat("<Message>", kSecret, " ", kToken, "</Message><Code>", kSecret, "</Code>");
    for (const auto& [name, value] : request.headers) {
      absl::StrAppend(&all, "<", name, ">", value, "</", name, ">");
    }
    return Answer(403, absl::StrCat("x-amz-request-id: ", kToken, "\r\n"),
                  absl::StrCat("<Error>", all, "</Error>"));
  });
  for (const absl::Status& status :
       {client_->Get("key").status(), client_->Put("key", AsBytes("x")).status(),
        client_->List("p").status(), client_->Head("key").status(), client_->Delete("key"),
        client_->CreateUpload("key").status()}) {
    EXPECT_TRUE(absl::IsPermissionDenied(status));
    EXPECT_THAT(status.ToString(), AllOf(Not(HasSubstr(kSecret)), Not(HasSubstr(kToken))));
  }
  EXPECT_THAT(client_->Describe(), AllOf(Not(HasSubstr(kSecret)), Not(HasSubstr(kToken)),
                                         HasSubstr("environment variables")));
}

}  // namespace
}  // namespace fmserve::s3
