// Publishing into S3; the other end of S3Source. How two publishers get along without a lock:
// docs/decisions/0052.
#ifndef FMSERVE_LOADER_S3_TARGET_H_
#define FMSERVE_LOADER_S3_TARGET_H_

#include <memory>
#include <string>

#include "loader/multipart.h"
#include "loader/publish_scratch.h"
#include "loader/publish_target.h"
#include "s3/client.h"

namespace fmserve::loader {

class S3Target : public PublishTarget {
 public:
  // `client` is of the location's bucket.
  S3Target(std::shared_ptr<s3::Client> client, s3::Location location, const PublishOptions& options,
           Artifact artifact);

  // Creates <version>.claim, and nobody else can; also aborts uploads that others began more than a
  // day ago. Errors of PublishScratch when a delta was asked for by name.
  absl::StatusOr<uint64_t> Claim(uint64_t size_bytes) override;
  absl::Status Append(std::span<const std::byte> bytes) override;
  absl::Status Finish() override;
  absl::Status AddDelta(Manifest& manifest, model::Checkpoint checkpoint) override;
  absl::Status Commit(const Manifest& manifest) override;

 private:
  struct Current {
    Manifest manifest{};  // of version 0 when nothing is published
    std::string etag{};
    std::string text{};
  };

  // The file that a delta is made from.
  struct DeltaBaseFile {
    std::string path{};    // empty: none
    std::string sha256{};  // "": not known
  };

  std::string Key(const std::string& name) const;
  std::string ClaimKey() const;
  absl::StatusOr<Current> ReadCurrent() const;
  absl::StatusOr<uint64_t> HighestNumber(uint64_t published) const;
  absl::Status CreateClaim();
  absl::Status CheckClaim() const;
  void AbortLeftovers() const;
  absl::Status OpenScratch(uint64_t size_bytes, const Manifest& current);
  absl::StatusOr<DeltaBaseFile> BringBase(PublishScratch& scratch,
                                          model::Checkpoint checkpoint) const;
  absl::Status UploadDelta(const std::string& path, const ManifestDelta& delta) const;

  const std::shared_ptr<s3::Client> client_;
  const s3::Location location_;
  const PublishOptions options_;
  const Artifact artifact_;
  const std::string folder_;  // relative to the location
  const std::string claim_;   // what its claims say, unlike those of all others
  uint64_t version_ = 0;
  std::unique_ptr<MultipartUpload> upload_;
  // Null: no delta is to be made. An error: it is why there will be none.
  absl::StatusOr<std::unique_ptr<PublishScratch>> scratch_ = nullptr;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_S3_TARGET_H_
