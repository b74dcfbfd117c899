#include "tests/loader/fake_bucket.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"

namespace fmserve::loader {
namespace {

std::string HeaderOf(const s3::ServedRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

// The value of a parameter, decoded as far as tests need it.
std::string Parameter(const std::string& query, const std::string& name) {
  const size_t begin = ("&" + query).find("&" + name + "=");
  if (begin == std::string::npos) return "";
  const size_t value = begin + name.size() + 1;
  return absl::StrReplaceAll(query.substr(value, query.find('&', value) - value), {{"%2F", "/"}});
}

}  // namespace

FakeBucket::FakeBucket()
    : server_([this](const s3::ServedRequest& request) { return Answer(request); }) {}

std::shared_ptr<s3::Client> FakeBucket::MakeClient() const {
  const s3::Environment environment{
      .variable =
          [](const std::string& name) { return name.find("KEY") == std::string::npos ? "" : "k"; },
      .now = absl::Now};
  auto client = s3::Client::Create("bucket", {.endpoint_url = server_.Url()}, environment);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

void FakeBucket::Put(const std::string& key, const std::string& body) {
  const std::lock_guard lock(mutex_);
  objects_[key] = {body, absl::StrCat("\"", ++etags_count_, "\"")};
}

std::string FakeBucket::Get(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? "" : found->second.body;
}

bool FakeBucket::Has(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return objects_.contains(key);
}

void FakeBucket::Remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  objects_.erase(key);
}

std::string FakeBucket::Answer(const s3::ServedRequest& request) {
  const std::lock_guard lock(mutex_);
  const size_t mark = request.target.find('?');
  const std::string query = mark == std::string::npos ? "" : request.target.substr(mark + 1);
  const std::string path = request.target.substr(0, mark);
  const std::string key = path.size() > 8 ? path.substr(8) : "";  // behind "/bucket/"
  if (request.method == "PUT" && !Parameter(query, "partNumber").empty()) {
    parts_[std::stoi(Parameter(query, "partNumber"))] = request.body;
    return s3::Answer(200, "ETag: \"part\"\r\n");
  }
  if (request.method == "PUT") return AnswerPut(request, key);
  if (request.method == "POST" && query.find("uploadId") == std::string::npos) {
    parts_.clear();
    return s3::Answer(
        200, "",
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
  }
  if (request.method == "POST") {
    s3::ServedRequest whole = request;
    whole.body.clear();
    for (const auto& [number, bytes] : parts_) whole.body += bytes;
    if (AnswerPut(whole, key).find("412") != std::string::npos) return s3::Answer(412);
    return s3::Answer(200, "",
                      absl::StrCat("<CompleteMultipartUploadResult><ETag>", objects_[key].etag,
                                   "</ETag></CompleteMultipartUploadResult>"));
  }
  if (request.method == "DELETE") return s3::Answer(204);
  if (query.find("uploads") != std::string::npos)
    return s3::Answer(200, "", "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
  if (query.find("list-type") != std::string::npos) return s3::Answer(200, "", List(query));
  return AnswerGet(request, key);
}

std::string FakeBucket::AnswerGet(const s3::ServedRequest& request, const std::string& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return s3::Answer(404, "", s3::ErrorXml("NoSuchKey"));
  const Object& object = found->second;
  const std::string etag = absl::StrCat("ETag: ", object.etag, "\r\n");
  if (HeaderOf(request, "if-none-match") == object.etag) return s3::Answer(304, etag);
  const std::string if_match = HeaderOf(request, "if-match");
  if (!ignores_conditions && !if_match.empty() && if_match != object.etag) return s3::Answer(412);
  if (request.method == "HEAD") {
    return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", object.body.size(), "\r\n", etag,
                        "\r\n");
  }
  size_t first = 0;
  size_t last = 0;
  if (std::sscanf(HeaderOf(request, "range").c_str(), "bytes=%zu-%zu", &first, &last) != 2)
    return s3::Answer(200, etag, object.body);
  return s3::Answer(206,
                    absl::StrCat(etag, "Content-Range: bytes ", first, "-", last, "/",
                                 object.body.size(), "\r\n"),
                    object.body.substr(first, last - first + 1));
}

std::string FakeBucket::AnswerPut(const s3::ServedRequest& request, const std::string& key) {
  if (key == refused) return s3::Answer(403, "", s3::ErrorXml("AccessDenied"));
  const auto found = objects_.find(key);
  const bool there = found != objects_.end();
  const std::string if_match = HeaderOf(request, "if-match");
  const bool conflict = !if_match.empty() && conflicts_left > 0;
  if (conflict) --conflicts_left;
  const bool lost = conflict || (there && HeaderOf(request, "if-none-match") == "*") ||
                    (!if_match.empty() && (!there || found->second.etag != if_match));
  if (lost && !ignores_conditions) return s3::Answer(412, "", s3::ErrorXml("PreconditionFailed"));
  objects_[key] = {request.body, absl::StrCat("\"", ++etags_count_, "\"")};
  return s3::Answer(200, absl::StrCat("ETag: ", objects_[key].etag, "\r\n"));
}

std::string FakeBucket::List(const std::string& query) const {
  const std::string prefix = Parameter(query, "prefix");
  const std::string after = Parameter(query, "start-after");
  std::string xml = "<ListBucketResult><IsTruncated>false</IsTruncated>";
  for (const auto& [key, object] : objects_) {
    const bool below = key.find('/', prefix.size()) != std::string::npos;
    if (!key.starts_with(prefix) || below || key <= after) continue;
    absl::StrAppend(&xml, "<Contents><Key>", key,
                    "</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified>", "<ETag>",
                    object.etag, "</ETag><Size>", object.body.size(), "</Size></Contents>");
  }
  return xml + "</ListBucketResult>";
}

}  // namespace fmserve::loader
