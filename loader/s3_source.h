// A store in S3, laid out as in a folder: <prefix>/<model>/CURRENT and the files beside it.
#ifndef FMSERVE_LOADER_S3_SOURCE_H_
#define FMSERVE_LOADER_S3_SOURCE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/ranges.h"
#include "loader/source.h"
#include "s3/client.h"

namespace fmserve::loader {

// A Poll is one GET of the manifest, conditional on the last one's ETag: an answer without a body
// while nothing changes. Files and deltas are fetched in ranges, each of which must have the ETag
// of the fingerprint or, for a delta, of a HEAD before, so that two objects are never mixed.
class S3Source : public Source {
 public:
  // `client` is of the location's bucket; Cancel cancels it.
  S3Source(std::shared_ptr<s3::Client> client, s3::Location location, const std::string& model,
           Artifact artifact = Artifact::kWeights, const RangeOptions& ranges = {});

  absl::StatusOr<Manifest> Poll() override;
  absl::Status Fetch(uint64_t version, const std::string& fingerprint, uint64_t begin,
                     const ByteSink& sink) override;
  absl::Status FetchDelta(const std::string& name, const ByteSink& sink) override;

  // Of the last `limit` numbers up to the newest version that was polled.
  absl::StatusOr<std::vector<uint64_t>> ListVersions(size_t limit) override;

  absl::StatusOr<std::string> Fingerprint(uint64_t version) override;  // ETag and size
  void Cancel() override;
  std::string Describe() const override;

 private:
  std::string Key(const std::string& name) const;
  std::string FileKey(uint64_t version) const;
  absl::Status FetchObject(const std::string& key, const s3::ObjectInfo& wanted, uint64_t begin,
                           const ByteSink& sink) const;

  const std::shared_ptr<s3::Client> client_;
  const s3::Location location_;
  const Artifact artifact_;
  const std::string folder_;  // relative to the location
  const RangeOptions ranges_;
  std::string etag_;  // of the manifest that was polled last
  std::optional<Manifest> manifest_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_S3_SOURCE_H_
