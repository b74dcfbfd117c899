#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "s3/encoding.h"
#include "tests/s3/client_fixture.h"

namespace fmserve::s3 {
namespace {

using ::testing::HasSubstr;
using Reply = ScriptedServer::Reply;

class ObjectsTest : public S3ClientTest {};

TEST_F(ObjectsTest, GetsAnObject) {
  AnswerWith(
      Answer(200, "ETag: \"e1\"\r\nLast-Modified: Sun, 01 Mar 2026 11:00:00 GMT\r\n", "hello"));
  const auto result = client_->Get("dir/a b");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->body, "hello");
  EXPECT_EQ(result->info.etag, "\"e1\"");
  EXPECT_EQ(result->info.size_bytes, 5u);
  EXPECT_EQ(result->info.modified, environment_.now() - absl::Hours(1));
  const ServedRequest request = server_->requests().at(0);
  EXPECT_EQ(request.target, "/bucket/dir/a%20b");
  EXPECT_EQ(request.headers.at("host"), server_->Host());
  EXPECT_EQ(request.headers.at("x-amz-date"), "20260301T120000Z");
  EXPECT_EQ(request.headers.at("x-amz-security-token"), kToken);
  EXPECT_THAT(request.headers.at("authorization"),
              HasSubstr("Credential=AKID/20260301/us-east-1/s3/aws4_request"));
}

TEST_F(ObjectsTest, AnUnchangedObjectHasNoBody) {
  AnswerWith(Answer(304));
  const auto result = client_->Get("key", {.if_none_match = "\"e1\""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->not_modified);
  EXPECT_EQ(result->info.etag, "\"e1\"");
  EXPECT_EQ(server_->requests().at(0).headers.at("if-none-match"), "\"e1\"");
}

TEST_F(ObjectsTest, StreamsARangeOfTheVeryVersion) {
  AnswerWith(Answer(206, "ETag: \"e1\"\r\nContent-Range: bytes 3-7/100\r\n", "34567"));
  std::string body;
  const auto result =
      client_->GetStream("key", {.if_match = "\"e1\"", .range = ByteRange{.first = 3, .size = 5}},
                         [&](std::span<const std::byte> bytes) {
                           body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                           return absl::OkStatus();
                         });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(body, "34567");
  EXPECT_EQ(result->info.size_bytes, 100u);
  const ServedRequest request = server_->requests().at(0);
  EXPECT_EQ(request.headers.at("range"), "bytes=3-7");
  EXPECT_EQ(request.headers.at("if-match"), "\"e1\"");
}

TEST_F(ObjectsTest, TheLastRangeMayBeShorter) {
  AnswerWith(Answer(206, "ETag: \"e1\"\r\nContent-Range: bytes 98-99/100\r\n", "89"));
  EXPECT_EQ(client_->Get("key", {.range = ByteRange{.first = 98, .size = 5}})->body, "89");
}

// Whatever the server thinks up, bytes of another place or version never reach the sink.
TEST_F(ObjectsTest, RefusesAnAnswerToAnotherQuestion) {
  const GetOptions options{.if_match = "\"e1\"", .range = ByteRange{.first = 3, .size = 5}};
  int taken = 0;
  const auto status_of = [&](const std::string& raw) {
    AnswerWith(raw);
    return client_
        ->GetStream("key", options,
                    [&](std::span<const std::byte>) {
                      ++taken;
                      return absl::OkStatus();
                    })
        .status();
  };
  EXPECT_TRUE(absl::IsInternal(status_of(Answer(200, "ETag: \"e1\"\r\n", "whole"))));
  EXPECT_TRUE(absl::IsInternal(
      status_of(Answer(206, "ETag: \"e1\"\r\nContent-Range: bytes 4-8/100\r\n", "45678"))));
  EXPECT_TRUE(absl::IsInternal(
      status_of(Answer(206, "ETag: \"e1\"\r\nContent-Range: bytes 3-6/100\r\n", "3456"))));
  EXPECT_TRUE(absl::IsInternal(status_of(Answer(206, "ETag: \"e1\"\r\n", "34567"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      status_of(Answer(206, "ETag: \"e2\"\r\nContent-Range: bytes 3-7/100\r\n", "34567"))));
  EXPECT_TRUE(absl::IsInternal(
      status_of("HTTP/1.1 206 Part\r\nETag: \"e1\"\r\nContent-Range: bytes 3-7/100\r\n"
                "Transfer-Encoding: chunked\r\n\r\n5\r\n34567\r\n0\r\n\r\n")));
  EXPECT_EQ(taken, 0);
}

TEST_F(ObjectsTest, TellsTheSizeWithoutTheBody) {
  AnswerWith("HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 12345678901\r\n\r\n");
  const auto info = client_->Head("key");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size_bytes, 12'345'678'901u);
  EXPECT_EQ(server_->requests().at(0).method, "HEAD");
}

TEST_F(ObjectsTest, RefusesAnObjectThatIsTooLong) {
  AnswerWith(Answer(200, "ETag: \"e1\"\r\n", "hello"));
  EXPECT_TRUE(client_->Get("key", {.max_bytes = 5}).ok());
  const absl::Status status = client_->Get("key", {.max_bytes = 4}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("get s3://bucket/key"));
}

TEST_F(ObjectsTest, PutsWithConditions) {
  AnswerWith(Answer(200, "ETag: \"e2\"\r\n"));
  EXPECT_EQ(*client_->Put("key", AsBytes("body"), {.if_match = "\"e1\""}), "\"e2\"");
  EXPECT_EQ(*client_->Put("key", AsBytes(""), {.if_none_match = "*"}), "\"e2\"");
  const auto requests = server_->requests();
  EXPECT_EQ(requests[0].headers.at("if-match"), "\"e1\"");
  EXPECT_EQ(requests[0].headers.at("x-amz-content-sha256"), Sha256Hex(AsBytes("body")));
  EXPECT_EQ(requests[0].body, "body");
  EXPECT_EQ(requests[1].headers.at("if-none-match"), "*");
  EXPECT_EQ(requests[1].headers.at("content-length"), "0");
}

TEST_F(ObjectsTest, AConditionThatDoesNotHoldIsAFailedPrecondition) {
  const PutOptions options{.if_match = "e1"};
  for (const std::string& refusal : {Answer(412, "", ErrorXml("PreconditionFailed")),
                                     Answer(409, "", ErrorXml("ConditionalRequestConflict")),
                                     Answer(404, "", ErrorXml("NoSuchKey"))}) {
    AnswerWith(refusal);
    EXPECT_TRUE(absl::IsFailedPrecondition(client_->Put("key", {}, options).status())) << refusal;
  }
  AnswerWith(Answer(404, "", ErrorXml("NoSuchBucket")));
  EXPECT_TRUE(absl::IsNotFound(client_->Put("key", {}, options).status()));
}

TEST_F(ObjectsTest, AsksCephAnewWithoutQuotes) {
  Serve([](const ServedRequest& request) {
    if (request.method == "HEAD") return Answer(200, "ETag: \"e1\"\r\n");
    const bool matches = request.headers.at("if-match") == "e1";
    return matches ? Answer(200, "ETag: \"e2\"\r\n")
                   : Answer(412, "", ErrorXml("PreconditionFailed"));
  });
  EXPECT_EQ(*client_->Put("key", AsBytes("x"), {.if_match = "\"e1\""}), "\"e2\"");
  EXPECT_EQ(server_->requests().size(), 3u);
  // A real conflict is not asked again.
  EXPECT_TRUE(absl::IsFailedPrecondition(
      client_->Put("key", AsBytes("x"), {.if_match = "\"e0\""}).status()));
  EXPECT_EQ(server_->requests().size(), 5u);
}

TEST_F(ObjectsTest, DeletesAlsoWhatIsNotThere) {
  AnswerWith(Answer(204));
  EXPECT_TRUE(client_->Delete("key").ok());
  AnswerWith(Answer(404, "", ErrorXml("NoSuchKey")));
  EXPECT_TRUE(client_->Delete("key").ok());
  AnswerWith(Answer(404, "", ErrorXml("NoSuchBucket")));
  EXPECT_TRUE(absl::IsNotFound(client_->Delete("key")));
}

TEST_F(ObjectsTest, RefusesArgumentsBeforeAnythingIsSent) {
  AnswerWith(Answer(200));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get("a/../b").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get("k", {.if_match = "a\r\nX: y"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get("k", {.range = ByteRange{}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->UploadPart("k", "id", 10'001, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->UploadPart("k", "", 1, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->CompleteUpload("k", "id", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->List("", {.limit = 0}).status()));
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(ObjectsTest, UploadsInParts) {
  Serve([](const ServedRequest& request) {
    if (request.method == "PUT") return Answer(200, "ETag: \"p&1\"\r\n");
    const bool begins = absl::EndsWith(request.target, "uploads=");
    return Answer(200, "",
                  begins ? "<InitiateMultipartUploadResult><UploadId>i/d</UploadId>"
                           "</InitiateMultipartUploadResult>"
                         : "\n\n<CompleteMultipartUploadResult><ETag>&quot;e-1&quot;</ETag>"
                           "</CompleteMultipartUploadResult>");
  });
  EXPECT_EQ(*client_->CreateUpload("key"), "i/d");
  EXPECT_EQ(*client_->UploadPart("key", "i/d", 7, AsBytes("part")), "\"p&1\"");
  EXPECT_EQ(*client_->CompleteUpload("key", "i/d", {"\"p&1\""}, {.if_none_match = "*"}), "\"e-1\"");
  const auto requests = server_->requests();
  EXPECT_EQ(requests[1].target, "/bucket/key?partNumber=7&uploadId=i%2Fd");
  EXPECT_EQ(requests[1].body, "part");
  EXPECT_EQ(requests[2].body,
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&#34;p&#38;1&#34;"
            "</ETag></Part></CompleteMultipartUpload>");
  EXPECT_EQ(requests[2].headers.at("if-none-match"), "*");
}

TEST_F(ObjectsTest, AsksForTheEtagWhereCompletingDoesNotTellIt) {
  Serve([](const ServedRequest& request) {
    return request.method == "HEAD" ? Answer(200, "ETag: \"e\"\r\n")
                                    : Answer(200, "", "<CompleteMultipartUploadResult/>");
  });
  EXPECT_EQ(*client_->CompleteUpload("key", "id", {"\"p\""}), "\"e\"");
}

TEST_F(ObjectsTest, CompletingMayFailBehindA200) {
  AnswerWith(Answer(200, "", ErrorXml("InternalError")));
  EXPECT_TRUE(absl::IsUnavailable(client_->CompleteUpload("key", "id", {"p"}).status()));
  AnswerWith(Answer(200, "", ErrorXml("PreconditionFailed")));
  EXPECT_TRUE(absl::IsFailedPrecondition(client_->CompleteUpload("key", "id", {"p"}).status()));
}

TEST_F(ObjectsTest, AbortsAlsoWhatIsNotThere) {
  AnswerWith(Answer(204));
  EXPECT_TRUE(client_->AbortUpload("key", "id").ok());
  AnswerWith(Answer(404, "", ErrorXml("NoSuchUpload")));
  EXPECT_TRUE(client_->AbortUpload("key", "id").ok());
  EXPECT_TRUE(absl::IsNotFound(client_->UploadPart("key", "id", 1, {}).status()));
}

TEST_F(ObjectsTest, CancelEndsWhatIsUnderwayAndAllThatFollows) {
  Serve(ScriptedServer::Handler([](const ServedRequest&, Reply& reply) { reply.WaitForHangUp(); }));
  absl::Status status;
  std::thread calling([&] { status = client_->Get("key").status(); });
  while (server_->requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  client_->Cancel();
  calling.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsCancelled(client_->Head("key").status()));
  EXPECT_TRUE(absl::IsCancelled(client_->List("").status()));
}

}  // namespace
}  // namespace fmserve::s3
