#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "s3/client.h"
#include "s3/client_impl.h"
#include "s3/names.h"

namespace fmserve::s3 {
namespace {

constexpr uint64_t kMaxPutBytes = uint64_t{5} << 30;

// "bytes 0-9/443".
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t object_bytes = 0;
};

std::optional<ContentRange> ParseContentRange(absl::string_view text) {
  ContentRange range;
  if (!absl::ConsumePrefix(&text, "bytes ")) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> whole = absl::StrSplit(text, '/');
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(whole.first, '-');
  if (!absl::SimpleAtoi(ends.first, &range.first) || !absl::SimpleAtoi(ends.second, &range.last) ||
      !absl::SimpleAtoi(whole.second, &range.object_bytes) || range.first > range.last ||
      range.last >= range.object_bytes) {
    return std::nullopt;
  }
  return range;
}

// Stores and proxies differ in quotes and in the mark of weak ones.
absl::string_view BareEtag(absl::string_view etag) {
  absl::ConsumePrefix(&etag, "W/");
  if (absl::ConsumePrefix(&etag, "\"")) absl::ConsumeSuffix(&etag, "\"");
  return etag;
}

absl::Time Modified(const HttpResponse& response) {
  absl::Time time = absl::InfinitePast();
  std::string error;
  const bool parsed =
      absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", response.Header("last-modified"), &time, &error);
  return parsed ? time : absl::InfinitePast();
}

// That the answer's headers are those of what was asked for; what they tell goes to `info`.
absl::Status ReadHeaders(const HttpResponse& response, const GetOptions& options,
                         ObjectInfo& info) {
  info = {.etag = response.Header("etag"), .size_bytes = 0, .modified = Modified(response)};
  const std::optional<uint64_t> length = response.ContentLength();
  if (!length) return absl::InternalError("the answer has no Content-Length; is a proxy between?");
  info.size_bytes = *length;
  if (!options.if_match.empty() && BareEtag(info.etag) != BareEtag(options.if_match)) {
    return absl::FailedPreconditionError("the object is another one by now");
  }
  if (!options.range) {
    if (response.status == 200) return absl::OkStatus();
    return absl::InternalError("the answer is a part, although all was asked for");
  }
  const std::optional<ContentRange> range = ParseContentRange(response.Header("content-range"));
  if (response.status != 206 || !range) {
    return absl::InternalError("the server does not answer with the range that was asked for");
  }
  const ByteRange& wanted = *options.range;
  const uint64_t size = range->last - range->first + 1;
  const uint64_t rest = range->object_bytes - range->first;
  if (range->first != wanted.first || size != std::min(wanted.size, rest) || size != *length) {
    return absl::InternalError(
        absl::StrCat("the server answers with another range: ", range->first, " to ", range->last));
  }
  info.size_bytes = range->object_bytes;
  return absl::OkStatus();
}

absl::StatusOr<Operation> GetOperation(std::string_view key, const GetOptions& options,
                                       ObjectInfo& info) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  Operation operation{.name = "get", .method = "GET", .key = std::string(key)};
  absl::Status status = AddHeader(operation.headers, "If-Match", options.if_match);
  status.Update(AddHeader(operation.headers, "If-None-Match", options.if_none_match));
  if (!status.ok()) return status;
  if (options.range) {
    const auto [first, size] = *options.range;
    if (size == 0 || first > std::numeric_limits<uint64_t>::max() - size) {
      return absl::InvalidArgumentError("a range has at least one byte");
    }
    operation.headers.emplace_back("Range", absl::StrCat("bytes=", first, "-", first + size - 1));
  }
  operation.begin = [&options, &info](const HttpResponse& response) {
    return ReadHeaders(response, options, info);
  };
  operation.stop = options.stop;
  return operation;
}

GetResult ToResult(HttpResponse response, ObjectInfo info, const GetOptions& options) {
  if (response.status == 304) {
    return {.info = {.etag = options.if_none_match}, .not_modified = true, .body = {}};
  }
  return {.info = std::move(info), .not_modified = false, .body = std::move(response.body)};
}

}  // namespace

absl::StatusOr<GetResult> Client::Get(std::string_view key, const GetOptions& options) {
  ObjectInfo info;
  absl::StatusOr<Operation> operation = GetOperation(key, options, info);
  if (!operation.ok()) return operation.status();
  operation->max_body_bytes = options.max_bytes;
  absl::StatusOr<HttpResponse> response = impl_->Call(*operation);
  if (!response.ok()) return response.status();
  return ToResult(*std::move(response), std::move(info), options);
}

absl::StatusOr<GetResult> Client::GetStream(std::string_view key, const GetOptions& options,
                                            const Sink& sink) {
  ObjectInfo info;
  absl::StatusOr<Operation> operation = GetOperation(key, options, info);
  if (!operation.ok()) return operation.status();
  operation->max_body_bytes = std::numeric_limits<uint64_t>::max();
  operation->sink = sink;
  absl::StatusOr<HttpResponse> response = impl_->Call(*operation);
  if (!response.ok()) return response.status();
  return ToResult(*std::move(response), std::move(info), options);
}

absl::StatusOr<ObjectInfo> Client::Head(std::string_view key) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  const Operation operation{.name = "head", .method = "HEAD", .key = std::string(key)};
  const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
  if (!response.ok()) return response.status();
  ObjectInfo info;
  if (absl::Status status = ReadHeaders(*response, {}, info); !status.ok()) {
    return Nonsense(impl_->What(operation), std::string(status.message()));
  }
  return info;
}

absl::StatusOr<std::string> Client::Put(std::string_view key, std::span<const std::byte> body,
                                        const PutOptions& options) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  if (body.size() > kMaxPutBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(body.size(), " bytes are too many to put at once; upload parts"));
  }
  Operation operation{.name = "put", .method = "PUT", .key = std::string(key), .body = body};
  operation.headers = {{"Content-Type", "application/octet-stream"}};
  if (absl::Status status = AddConditions(operation.headers, options); !status.ok()) return status;
  const absl::StatusOr<HttpResponse> response = impl_->Call(operation);
  if (!response.ok()) {
    const absl::Status status = ConditionalError(response.status(), options);
    const std::string bare(BareEtag(options.if_match));
    if (!absl::IsFailedPrecondition(status) || bare == options.if_match) return status;
    // Ceph compares what is in If-Match of a PUT with its quotes. Asked anew only while the object
    // is still the one that was meant, so that no store can take the bare form for no condition.
    const absl::StatusOr<ObjectInfo> info = Head(key);
    if (!info.ok() || info->etag != options.if_match) return status;
    return Put(key, body, {.if_match = bare, .if_none_match = options.if_none_match});
  }
  std::string etag = response->Header("etag");
  if (etag.empty()) return Nonsense(impl_->What(operation), "the server tells no ETag");
  return etag;
}

absl::Status Client::Delete(std::string_view key) {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  return impl_
      ->Call({.name = "delete",
              .method = "DELETE",
              .key = std::string(key),
              .done_error = "NoSuchKey"})
      .status();
}

}  // namespace fmserve::s3
