// A source around another one whose failures and delays a test writes.
#ifndef FMSERVE_TESTS_LOADER_SCRIPTED_SOURCE_H_
#define FMSERVE_TESTS_LOADER_SCRIPTED_SOURCE_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/source.h"
#include "tests/loader/test_store.h"

namespace fmserve::loader {

struct SourceScript {
  std::atomic<int> failing_polls = 0;            // so many more polls fail
  std::atomic<int> failing_fetches = 0;          // so many more fetches fail
  std::atomic<uint64_t> breaks_after_bytes = 0;  // each fetch does, unless 0
  std::atomic<uint64_t> fetched_bytes = 0;       // by all fetches
  std::atomic<bool> stall = false;               // a fetch waits in its middle while this holds
  std::atomic<int> failing_deltas = 0;           // so many more fetches of deltas fail
  enum class Delta : uint8_t { kWhole, kDamaged, kShort, kLong };
  std::atomic<Delta> deltas = Delta::kWhole;  // what fetches of deltas give
  std::atomic<int> deltas_count = 0;
  std::atomic<int> polls_count = 0;
  std::atomic<int> fetches_count = 0;
  std::atomic<bool> deaf = false;      // it does not even end when it is cancelled
  std::atomic<bool> stalling = false;  // one waits now
};

class ScriptedSource : public Source {
 public:
  ScriptedSource(std::unique_ptr<Source> store, std::shared_ptr<SourceScript> script)
      : store_(std::move(store)), script_(std::move(script)) {}

  absl::StatusOr<Manifest> Poll() override {
    ++script_->polls_count;
    if (script_->failing_polls > 0) {
      --script_->failing_polls;
      return absl::UnavailableError("the store is away");
    }
    return store_->Poll();
  }

  absl::Status Fetch(uint64_t version, const std::string& fingerprint, uint64_t begin,
                     const ByteSink& sink) override {
    ++script_->fetches_count;
    if (script_->failing_fetches > 0) {
      --script_->failing_fetches;
      return absl::UnavailableError("the connection broke");
    }
    uint64_t left_bytes = script_->breaks_after_bytes;
    return store_->Fetch(version, fingerprint, begin, [&](std::span<const std::byte> bytes) {
      script_->stalling = script_->stall.load();
      const bool released =
          Eventually([&] { return !script_->stall || (cancelled_ && !script_->deaf); });
      script_->stalling = false;
      if (!released || cancelled_) return absl::CancelledError("the source was cancelled");
      if (script_->breaks_after_bytes != 0) {
        if (left_bytes < bytes.size()) return absl::UnavailableError("the connection broke");
        left_bytes -= bytes.size();
      }
      script_->fetched_bytes += bytes.size();
      return sink(bytes);
    });
  }

  absl::Status FetchDelta(const std::string& name, const ByteSink& sink) override {
    ++script_->deltas_count;
    if (script_->failing_deltas > 0) {
      --script_->failing_deltas;
      return absl::UnavailableError("the connection broke");
    }
    std::vector<std::byte> bytes;
    const absl::Status fetched = store_->FetchDelta(name, [&](std::span<const std::byte> part) {
      bytes.insert(bytes.end(), part.begin(), part.end());
      return absl::OkStatus();
    });
    if (!fetched.ok()) return fetched;
    script_->stalling = script_->stall.load();
    const bool released = Eventually([&] { return !script_->stall || cancelled_; });
    script_->stalling = false;
    if (!released || cancelled_) return absl::CancelledError("the source was cancelled");
    switch (script_->deltas) {
      case SourceScript::Delta::kWhole:
        break;
      case SourceScript::Delta::kDamaged:
        bytes[bytes.size() / 2] ^= std::byte{1};
        break;
      case SourceScript::Delta::kShort:
        bytes.pop_back();
        break;
      case SourceScript::Delta::kLong:
        bytes.push_back(std::byte{0});
        break;
    }
    return sink(bytes);
  }

  absl::StatusOr<std::vector<uint64_t>> ListVersions(size_t limit) override {
    return store_->ListVersions(limit);
  }
  absl::StatusOr<std::string> Fingerprint(uint64_t version) override {
    return store_->Fingerprint(version);
  }
  void Cancel() override {
    cancelled_ = true;
    store_->Cancel();
  }
  std::string Describe() const override { return "scripted " + store_->Describe(); }

 private:
  const std::unique_ptr<Source> store_;
  const std::shared_ptr<SourceScript> script_;
  std::atomic<bool> cancelled_ = false;
};

// A running loader of a test's store.
class LoaderFixture : public ::testing::Test {
 protected:
  using Kind = LoaderEvent::Kind;

  void Start() {
    loader_ = std::make_unique<ModelLoader>(
        options_, std::make_unique<ScriptedSource>(store_.MakeSource(), script_), log_.listener(),
        std::make_unique<ScriptedSource>(store_.MakeSource(Artifact::kCatalogue),
                                         catalogue_script_));
    const absl::Status started = loader_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  void Restart() {
    loader_.reset();
    Start();
  }

  // Publishes a version whose scores are its number, and waits for it.
  void PublishAndServe() {
    const uint64_t version = PublishNext();
    ASSERT_TRUE(ComesToServe(*loader_, version))
        << version << ": " << loader_->GetStatus().last_error;
    ASSERT_EQ(EmptyScore(*loader_->slot().Get()), static_cast<float>(version));
  }
  uint64_t PublishNext() {
    const uint64_t version = ++published_;
    EXPECT_EQ(store_.Publish({.w0 = static_cast<double>(version)}).version, version);
    return version;
  }

  // Weights version 1 with catalogue version 1.
  void StartWithPair() {
    Start();
    PublishAndServe();
    store_.PublishCatalogue({});
    ASSERT_TRUE(ComesToServePair(*loader_, 1, 1)) << Status().catalogue_error;
  }

  std::shared_ptr<const Snapshot> Serving() const { return loader_->slot().Get(); }
  ModelStatus Status() const { return loader_->GetStatus(); }

  // Until the loader has looked at the store again, twice: whatever it was going to do, it has
  // begun.
  void WaitForPolls() const {
    const int before = script_->polls_count;
    ASSERT_TRUE(Eventually([&] { return script_->polls_count >= before + 2; }));
  }

  VersionStatus Listed(uint64_t version, Artifact artifact = Artifact::kWeights) const {
    for (VersionStatus& status : loader_->ListVersions(artifact)) {
      if (status.version == version) return std::move(status);
    }
    ADD_FAILURE() << "version " << version << " is not listed";
    return {};
  }

  TestStore store_;
  LoaderOptions options_ = store_.Options();
  std::shared_ptr<SourceScript> script_ = std::make_shared<SourceScript>();
  std::shared_ptr<SourceScript> catalogue_script_ = std::make_shared<SourceScript>();
  EventLog log_;
  std::unique_ptr<ModelLoader> loader_;
  uint64_t published_ = 0;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_TESTS_LOADER_SCRIPTED_SOURCE_H_
