// kill -9 at random moments, of a server and of a publisher: whoever starts next finds a whole,
// verified version.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "loader/directory_source.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

using std::chrono::milliseconds;

// FMSERVE_CRASH_TEST_KILLS asks for more than the quick 25.
int KillsCount() {
  const char* const text = std::getenv("FMSERVE_CRASH_TEST_KILLS");
  return text == nullptr ? 25 : std::atoi(text);
}

// A child that runs `body` until it is killed.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    _exit(1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself, with status " << status;
  }

 private:
  const pid_t pid_;
};

class CrashTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 20000;  // long enough to be killed in the middle of
  static constexpr uint32_t kItems = 20000;

  CrashTest() {
    for (int i = 0; i < 2; ++i)
      WriteTestFile({.w0 = static_cast<double>(i), .rows_count = kRows}, Trained(i));
    WriteTestCatalogue({.items_count = kItems}, Catalogue());
  }

  std::string Catalogue() const { return folder_.Path("made.fmc"); }
  std::string Trained(uint64_t version) const {
    return folder_.Path(version % 2 == 0 ? "even.fmw" : "odd.fmw");
  }

  // Even versions score 0, odd ones 1.
  void PublishForEver() const {
    for (uint64_t next = 1;;) {
      const absl::StatusOr<Manifest> current = store_.MakeSource()->Poll();
      if (current.ok()) next = current->version + 1;
      const auto versions = store_.MakeSource()->ListVersions(1);
      if (versions.ok() && !versions->empty()) next = std::max(next, versions->front() + 1);
      const auto manifest =
          Publish(Trained(next), {.store = store_.store(), .model = kModel}, TestKernels());
      if (!manifest.ok() || manifest->version != next) _exit(2);
      const auto catalogue =
          PublishCatalogue(Catalogue(), {.store = store_.store(), .model = kModel});
      if (!catalogue.ok()) _exit(4);
      if (catalogue->version > 20)
        std::filesystem::remove(store_.CataloguePath(catalogue->version - 20));
      const auto old = store_.MakeSource()->ListVersions(1000);
      for (size_t i = 20; i < old->size(); ++i)
        std::filesystem::remove(store_.WeightPath((*old)[i]));
    }
  }

  void ServeForEver() const {
    LoaderOptions options = store_.Options();
    options.poll_interval = milliseconds(1);
    ModelLoader loader(
        options, store_.MakeSource(), [](const LoaderEvent&) {},
        store_.MakeSource(Artifact::kCatalogue));
    if (!loader.Start().ok()) _exit(3);
    while (true) std::this_thread::sleep_for(milliseconds(100));
  }

  TestFolder folder_;
  TestStore store_;
};

TEST_F(CrashTest, AServerThatIsKilledRestartsOnAWholeVersionWithoutItsStore) {
  std::mt19937 random(7);
  // Widened while nothing gets done: a sanitizer or a busy machine may need several times as long.
  int latest_moment_us = 150'000;
  const Child publisher([&] { PublishForEver(); });
  uint64_t last_version = 0;
  uint64_t last_catalogue = 0;
  uint64_t progress = 0;
  for (int i = 0; i < KillsCount(); ++i) {
    {
      const Child server([&] { ServeForEver(); });
      std::uniform_int_distribution<int> moment_us(0, latest_moment_us);
      std::this_thread::sleep_for(std::chrono::microseconds(moment_us(random)));
    }
    const TestFolder nothing;
    EventLog log;
    ModelLoader loader(store_.Options(), std::make_unique<DirectorySource>(nothing.path(), kModel),
                       log.listener());
    ASSERT_TRUE(loader.Start().ok());
    const std::shared_ptr<const Snapshot> snapshot = loader.slot().Get();
    if (snapshot == nullptr) {
      ASSERT_EQ(last_version, 0U) << "what once served is lost";
      latest_moment_us = std::min(latest_moment_us * 5 / 4, 2'000'000);
      continue;
    }
    EXPECT_GE(snapshot->version(), last_version);
    EXPECT_EQ(EmptyScore(*snapshot), static_cast<float>(snapshot->version() % 2));
    EXPECT_GE(snapshot->catalogue_version(), last_catalogue) << "of a pair that once served";
    last_catalogue = snapshot->catalogue_version();
    if (last_catalogue != 0) {
      EXPECT_EQ(BestScore(*snapshot), static_cast<double>(snapshot->version() % 2) - 0.5);
    }
    for (const LoaderEvent& event : log.events()) {
      EXPECT_FALSE(event.kind == LoaderEvent::Kind::kFailed && event.reason == "cache")
          << event.detail;
    }
    if (snapshot->version() > last_version) {
      ++progress;
    } else {
      latest_moment_us = std::min(latest_moment_us * 5 / 4, 2'000'000);
    }
    last_version = snapshot->version();
  }
  EXPECT_GT(progress, 2U) << "it was killed before it did anything";
  EXPECT_GT(last_catalogue, 0U);
  RecordProperty("last_version", std::to_string(last_version));
}

TEST_F(CrashTest, APublisherThatIsKilledLeavesNothingThatServersSee) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> moment_us(0, 100'000);
  for (int i = 0; i < KillsCount(); ++i) {
    {
      const Child publisher([&] { PublishForEver(); });
      std::this_thread::sleep_for(std::chrono::microseconds(moment_us(random)));
    }
    const absl::StatusOr<Manifest> manifest = store_.MakeSource()->Poll();
    if (absl::IsNotFound(manifest.status())) continue;
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    EXPECT_EQ(Sha256Hex(ReadFile(store_.WeightPath(manifest->version))), manifest->sha256);
    const auto versions = store_.MakeSource()->ListVersions(1);
    ASSERT_TRUE(versions.ok());
    EXPECT_TRUE(model::WeightFile::Open(store_.WeightPath(versions->front())).ok());
  }
  ASSERT_TRUE(Publish(Trained(0), {.store = store_.store(), .model = kModel}, TestKernels()).ok());
  for (const std::string& name : ListFolder(store_.ModelPath(""))) {
    EXPECT_EQ(name.find(".tmp-"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace fmserve::loader
