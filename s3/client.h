// A client of one bucket of S3 or of a store that speaks its protocol.
#ifndef FMSERVE_S3_CLIENT_H_
#define FMSERVE_S3_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "s3/environment.h"

namespace fmserve::s3 {

// Takes the bytes of a body in order; an error ends the call and is returned by it. The time that
// it takes counts as nobody's stall, so it may wait (for a bandwidth limit, say).
using Sink = std::function<absl::Status(std::span<const std::byte>)>;

struct Location {
  std::string bucket{};
  std::string prefix{};  // of keys, without slashes at either end; may be empty

  // The key of `name` under the prefix.
  std::string Key(std::string_view name) const;

  bool operator==(const Location&) const = default;
};

// "s3://bucket" or "s3://bucket/some/prefix"; slashes at the end do not count. InvalidArgument says
// what is wrong, also with a bucket name that S3 would not allow.
absl::StatusOr<Location> ParseUrl(std::string_view url);

enum class Addressing : uint8_t {
  kAuto,         // kPath when an endpoint is given, else kVirtualHost
  kPath,         // https://endpoint/bucket/key
  kVirtualHost,  // https://bucket.endpoint/key
};

// Empty members fall back to the environment, then to the profile, as the AWS tools do.
struct ClientOptions {
  // "https://host[:port]" or "http://…". Else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, `endpoint_url`
  // of the profile, or that of AWS for the region.
  std::string endpoint_url{};
  // Else AWS_REGION, AWS_DEFAULT_REGION, `region` of the profile, or us-east-1.
  std::string region{};
  Addressing addressing = Addressing::kAuto;
  // PEM certificates to trust instead of the system's. Else AWS_CA_BUNDLE.
  std::string ca_file{};
  // Profile of ~/.aws, preferred to credentials of the environment. Else AWS_PROFILE, or "default".
  std::string profile{};

  int connect_timeout_ms = 5'000;  // 1 to 600'000
  // A call ends as DeadlineExceeded when each second of the last `stall_seconds` moved fewer bytes
  // than this, in both directions together. Completing an upload may be silent for five minutes.
  int stall_bytes_per_second = 1'000;  // 1 to 1'000'000'000
  int stall_seconds = 30;              // 1 to 3'600
};

// Bytes first to first + size - 1.
struct ByteRange {
  uint64_t first = 0;
  uint64_t size = 0;  // at least 1
};

struct GetOptions {
  std::string if_match{};       // an ETag, or empty
  std::string if_none_match{};  // an ETag, or empty
  std::optional<ByteRange> range{};
  // Get alone: a longer body is ResourceExhausted, before it is read where its length is told.
  uint64_t max_bytes = uint64_t{64} << 20;
  std::stop_token stop{};  // ends this call alone as Cancelled, within 100 ms
};

struct ObjectInfo {
  std::string etag{};                          // as the server sends it, in quotes; opaque
  uint64_t size_bytes = 0;                     // of the whole object, also for a range of it
  absl::Time modified = absl::InfinitePast();  // when the server tells
};

struct GetResult {
  ObjectInfo info{};
  bool not_modified = false;  // if_none_match held: no body, and only the ETag is known
  std::string body{};         // Get alone
};

struct ListedObject {
  std::string key{};
  ObjectInfo info{};
};

struct ListOptions {
  std::string start_after{};  // only keys after this one
  // When not empty: leaves out keys that have it after the prefix ("/": what lies in folders
  // below).
  std::string delimiter{};
  size_t limit = 10'000;  // 1 to 1'000'000 objects
};

struct Listing {
  std::vector<ListedObject> objects{};  // ascending by the bytes of their keys
  bool more = false;                    // the limit cut some off
};

struct PutOptions {
  std::string if_match{};       // an ETag: replaces that very object only
  std::string if_none_match{};  // "*": only when there is none
};

struct Upload {
  std::string key{};
  std::string upload_id{};
  absl::Time initiated = absl::InfinitePast();
};

// How long the server asked to be left alone: set on errors of calls whose answer (429, 503, …) had
// a Retry-After; 0 s to 5 minutes.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

// Any method from any thread, several at once: each call holds a connection of its own while it
// runs, and connections are kept for later calls.
//
// Errors, of every call. They name the operation, s3://bucket/key, the server's own code and words,
// its request id, and what to do; never a secret.
//   NotFound            no such key, upload or bucket (the message tells which)
//   PermissionDenied    the server refuses the credentials, the clock, the action or the region; or
//                       credentials expired and can't be had anew
//   Unauthenticated     no credentials were found
//   FailedPrecondition  if_match or if_none_match does not hold, or another conditional write of
//   the
//                       key was faster; nothing else
//   OutOfRange          the range begins behind the end of the object
//   ResourceExhausted   the answer is longer than the caller or this library takes
//   Unavailable         429, 5xx, no connection, a connection or body that broke off
//   DeadlineExceeded    connecting took too long or the transfer stalled
//   Cancelled           Cancel, or the stop token
//   Unimplemented       the server does not know the operation (501, 405)
//   Internal            any other answer, or one that makes no sense
// InvalidArgument: the caller's arguments alone, before anything is sent; DataLoss never. Errors of
// a sink come back as they are.
//
// Retries nothing, but: once with new credentials when the server calls them expired or invalid,
// once with a corrected clock when it calls the clock wrong (and from then on), and once on a new
// connection when a kept one turns out to be closed. So a conditional write may answer
// FailedPrecondition although it happened, when the answer to its first attempt was lost.
class Client {
 public:
  // Reads the profile, but looks for credentials only when they are needed. InvalidArgument names a
  // bad option, bucket, variable or profile.
  static absl::StatusOr<std::unique_ptr<Client>> Create(
      const std::string& bucket, const ClientOptions& options,
      const Environment& environment = ProcessEnvironment());
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Keys: 1 to 1024 bytes of UTF-8, sent as they are; InvalidArgument for "." and ".." between
  // slashes, which proxies and stores resolve differently.
  absl::StatusOr<GetResult> Get(std::string_view key, const GetOptions& options = {});

  // Like Get, with the body to `sink` while it comes, in pieces of up to 64 KiB. When the
  // connection breaks, what the sink took is the true beginning of the body; an answer other than
  // 200 and 206 never reaches it. Unavailable also when fewer bytes came than were announced.
  absl::StatusOr<GetResult> GetStream(std::string_view key, const GetOptions& options,
                                      const Sink& sink);

  absl::StatusOr<ObjectInfo> Head(std::string_view key);

  // Objects whose key begins with `prefix`; asks for several pages when it must.
  absl::StatusOr<Listing> List(std::string_view prefix, const ListOptions& options = {});

  // Writes a whole object; the server verifies its SHA-256. Returns the ETag. At most 5 GiB. An
  // if_match that does not hold costs a Head and perhaps another Put: Ceph wants it without quotes.
  absl::StatusOr<std::string> Put(std::string_view key, std::span<const std::byte> body,
                                  const PutOptions& options = {});

  // Ok also when there is no such key.
  absl::Status Delete(std::string_view key);

  // An object in parts, visible when it is completed: begins, returning the upload's id.
  absl::StatusOr<std::string> CreateUpload(std::string_view key);

  // Parts are numbered 1 to 10'000 and have at least 5 MiB, but for the last. In any order and at
  // once; the same number again replaces it. Returns the part's ETag.
  absl::StatusOr<std::string> UploadPart(std::string_view key, std::string_view upload_id,
                                         int part_number, std::span<const std::byte> body,
                                         std::stop_token stop = {});

  // `part_etags`: those of parts 1, 2, …. Returns the object's ETag. The conditions are AWS's; Ceph
  // 16 ignores them here.
  absl::StatusOr<std::string> CompleteUpload(std::string_view key, std::string_view upload_id,
                                             const std::vector<std::string>& part_etags,
                                             const PutOptions& options = {});

  // Frees the parts. Ok also when there is no such upload any more.
  absl::Status AbortUpload(std::string_view key, std::string_view upload_id);

  // Uploads that were begun and neither completed nor aborted, of keys that begin with `prefix`; at
  // most `limit` (1 to 100'000).
  absl::StatusOr<std::vector<Upload>> ListUploads(std::string_view prefix, size_t limit);

  // From any thread: calls underway end as Cancelled within 100 ms, and so do all later ones.
  void Cancel();

  // For messages: "bucket ads at https://s3.eu-central-1.amazonaws.com, region eu-central-1,
  // credentials from the environment variables".
  std::string Describe() const;

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_CLIENT_H_
