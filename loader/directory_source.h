// A store in a folder, local or mounted: StoreFolder holds the files beside their manifest CURRENT.
#ifndef FMSERVE_LOADER_DIRECTORY_SOURCE_H_
#define FMSERVE_LOADER_DIRECTORY_SOURCE_H_

#include <atomic>
#include <string>
#include <vector>

#include "loader/file_util.h"
#include "loader/source.h"

namespace fmserve::loader {

class DirectorySource : public Source {
 public:
  DirectorySource(const std::string& store, const std::string& model,
                  Artifact artifact = Artifact::kWeights);

  absl::StatusOr<Manifest> Poll() override;
  absl::Status Fetch(uint64_t version, const std::string& fingerprint, uint64_t begin,
                     const ByteSink& sink) override;
  absl::Status FetchDelta(const std::string& name, const ByteSink& sink) override;
  absl::StatusOr<std::vector<uint64_t>> ListVersions(size_t limit) override;
  absl::StatusOr<std::string> Fingerprint(uint64_t version) override;
  void Cancel() override { cancelled_ = true; }  // seen between reads of 128 KiB
  std::string Describe() const override;

 private:
  std::string FilePath(uint64_t version) const;

  // From where the file stands to its end.
  absl::Status Stream(const FileDescriptor& file, const std::string& path,
                      const ByteSink& sink) const;

  const Artifact artifact_;
  const std::string folder_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_DIRECTORY_SOURCE_H_
