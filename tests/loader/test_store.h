// Small weight files, a store and a loader, for the tests of loader/.
#ifndef FMSERVE_TESTS_LOADER_TEST_STORE_H_
#define FMSERVE_TESTS_LOADER_TEST_STORE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/manifest.h"
#include "loader/model_loader.h"
#include "loader/publisher.h"
#include "loader/snapshot.h"

namespace fmserve::loader {

inline constexpr char kModel[] = "ctr";
inline constexpr Artifact kCatalogue = Artifact::kCatalogue;

// A model whose scores tell which file computed them: without features the score is `w0`.
struct TestFile {
  double w0 = 0.5;
  std::string model{kModel};
  uint64_t version = 0;
  int rows_count =
      10;  // of the field "user": "u0", "u1" …; one more for each of the items "a0" and "a1"
  bool with_golden = true;
  double golden_error = 0.0;
  std::string extra_context_field{};   // stands before the others: no longer compatible
  std::optional<double> price_mean{};  // of a standardised field of the items behind the others
  model::Metadata metadata{};
  uint64_t created_unix_us = 0;
};

void WriteTestFile(const TestFile& file, const std::string& path);

// Items of one feature each, "a0" of field "ad", so that each scores 0.5 below TestFile::w0.
struct TestCatalogue {
  uint32_t items_count = 10;
  std::string model{kModel};
  uint64_t version = 0;
  std::optional<double> price_mean{};  // fits a TestFile with the same one
};

void WriteTestCatalogue(const TestCatalogue& catalogue, const std::string& path);

// Opened from memory of its own; nothing stays on the disk.
std::shared_ptr<const Snapshot> MakeSnapshot(const TestFile& file);

// The score of a request without features: TestFile::w0.
float EmptyScore(const Snapshot& snapshot);

// The score of the best item for a request without features, by the folded catalogue.
double BestScore(const Snapshot& snapshot);

// A folder that disappears with the object.
class TestFolder {
 public:
  TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder();

  const std::string& path() const { return path_; }
  std::string Path(std::string_view name) const;

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view content);
std::vector<std::string> ListFolder(const std::string& folder);  // sorted

// True as soon as `condition` is; false after a time that no test needs.
bool Eventually(const std::function<bool()>& condition);

inline ModelLoader::Clock::time_point Soon() {
  return ModelLoader::Clock::now() + std::chrono::seconds(30);
}

const model::KernelTable& TestKernels();

// <folder>/store and <folder>/cache of the model kModel.
class TestStore {
 public:
  std::string store() const { return folder_.Path("store"); }
  std::string cache() const { return folder_.Path("cache"); }
  std::string ModelPath(std::string_view name) const;
  std::string WeightPath(uint64_t version) const { return ModelPath(WeightFileName(version)); }
  std::string CachePath(std::string_view name) const;

  // As `fm publish` does it.
  Manifest Publish(const TestFile& file) const;

  // Bytes and manifest as they are given: what a careless publisher may leave. Size and SHA-256 are
  // those of `bytes`.
  Manifest PublishBytes(uint64_t version, std::string_view bytes,
                        Artifact artifact = Artifact::kWeights) const;
  void PublishManifest(const Manifest& manifest, Artifact artifact = Artifact::kWeights) const;

  // As `fm catalogue publish` does it.
  Manifest PublishCatalogue(const TestCatalogue& catalogue) const;
  std::string CataloguePath(uint64_t version) const;
  std::string CatalogueBytes(const TestCatalogue& catalogue) const;

  // The bytes of a file, as they would lie in a store.
  std::string Bytes(const TestFile& file) const;

  LoaderOptions Options() const;  // polls every few milliseconds
  std::unique_ptr<Source> MakeSource(Artifact artifact = Artifact::kWeights) const;

 private:
  TestFolder folder_;
};

std::string Sha256Hex(std::string_view bytes);

// Keeps what happened; safe from any thread.
class EventLog {
 public:
  ModelLoader::EventListener listener();
  std::vector<LoaderEvent> events() const;
  int Count(LoaderEvent::Kind kind, Artifact artifact = Artifact::kWeights) const;
  bool WaitFor(LoaderEvent::Kind kind, uint64_t version,
               Artifact artifact = Artifact::kWeights) const;

 private:
  mutable std::mutex mutex_;
  std::vector<LoaderEvent> events_;
};

// Whether `loader` comes to serve `version`, with its scores.
bool ComesToServe(const ModelLoader& loader, uint64_t version);

// Whether it comes to serve this pair.
bool ComesToServePair(const ModelLoader& loader, uint64_t version, uint64_t catalogue_version);

}  // namespace fmserve::loader

#endif  // FMSERVE_TESTS_LOADER_TEST_STORE_H_
