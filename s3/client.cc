#include "s3/client.h"

#include <unistd.h>

#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "s3/client_impl.h"
#include "s3/names.h"
#include "s3/profile.h"

namespace fmserve::s3 {
namespace {

// The first that is not empty.
std::string FirstOf(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

absl::Status CheckRange(const char* name, int value, int max) {
  if (value >= 1 && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", not 1 to ", max));
}

absl::Status CheckRanges(const ClientOptions& options) {
  absl::Status status = CheckRange("connect_timeout_ms", options.connect_timeout_ms, 600'000);
  status.Update(
      CheckRange("stall_bytes_per_second", options.stall_bytes_per_second, 1'000'000'000));
  status.Update(CheckRange("stall_seconds", options.stall_seconds, 3'600));
  return status;
}

absl::Status CheckRegion(const std::string& region) {
  const bool good =
      region.size() <= 64 && region.find_first_not_of(
                                 "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string::npos;
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", Quoted(region, 100), "' is no region, like eu-central-1"));
}

absl::Status CheckCaFile(const std::string& path) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("ca_file (or AWS_CA_BUNDLE) ", path, " cannot be read"));
}

absl::StatusOr<Profile> UsableProfile(const std::string& name, const Environment& environment) {
  absl::StatusOr<Profile> profile = LoadProfile(name, environment);
  if (!profile.ok()) return absl::InvalidArgumentError(profile.status().message());
  if (profile->found || !profile->named) return profile;
  return absl::InvalidArgumentError(
      absl::StrCat("profile '", Quoted(profile->name, 64),
                   "' is in neither ~/.aws/credentials nor ~/.aws/config"));
}

bool UseVirtualHost(Addressing addressing, const std::string& bucket, bool own_endpoint) {
  if (addressing != Addressing::kAuto) return addressing == Addressing::kVirtualHost;
  // The certificate for *.s3.… does not cover a name with dots.
  return !own_endpoint && bucket.find('.') == std::string::npos;
}

absl::StatusOr<ClientConfig> Configure(const std::string& bucket, const ClientOptions& options,
                                       const Environment& environment) {
  if (absl::Status status = CheckBucketName(bucket); !status.ok()) return status;
  if (absl::Status status = CheckRanges(options); !status.ok()) return status;
  const absl::StatusOr<Profile> profile = UsableProfile(options.profile, environment);
  if (!profile.ok()) return profile.status();
  const auto& variable = environment.variable;
  const std::string region =
      FirstOf({options.region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"),
               profile->Get("region"), "us-east-1"});
  if (absl::Status status = CheckRegion(region); !status.ok()) return status;
  const std::string ca_file = FirstOf({options.ca_file, variable("AWS_CA_BUNDLE")});
  if (absl::Status status = CheckCaFile(ca_file); !status.ok()) return status;
  const std::string url = FirstOf({options.endpoint_url, variable("AWS_ENDPOINT_URL_S3"),
                                   variable("AWS_ENDPOINT_URL"), profile->Get("endpoint_url")});
  absl::StatusOr<Endpoint> endpoint = url.empty() ? AwsEndpoint("s3", region) : ParseEndpoint(url);
  if (!endpoint.ok()) return endpoint.status();
  const bool virtual_host = UseVirtualHost(options.addressing, bucket, !url.empty());
  return ClientConfig{.bucket = bucket,
                      .region = region,
                      .address = AddressBucket(*endpoint, bucket, virtual_host),
                      .http = {.connect_timeout_ms = options.connect_timeout_ms,
                               .stall = {.bytes_per_second = options.stall_bytes_per_second,
                                         .seconds = options.stall_seconds},
                               .ca_file = ca_file}};
}

}  // namespace

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const std::string& bucket,
                                                       const ClientOptions& options,
                                                       const Environment& environment) {
  absl::StatusOr<ClientConfig> config = Configure(bucket, options, environment);
  if (!config.ok()) return config.status();
  std::unique_ptr<CredentialChain> credentials = DefaultCredentialChain(
      {.profile = options.profile, .region = config->region, .ca_file = config->http.ca_file},
      environment);
  return std::unique_ptr<Client>(
      new Client(std::make_unique<Impl>(*std::move(config), std::move(credentials), environment)));
}

void Client::Cancel() { impl_->Cancel(); }

std::string Client::Describe() const { return impl_->Describe(); }

}  // namespace fmserve::s3
