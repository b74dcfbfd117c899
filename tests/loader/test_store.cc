#include "tests/loader/test_store.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "loader/directory_source.h"
#include "loader/sha256.h"
#include "model/catalogue_writer.h"
#include "model/weight_writer.h"

namespace fmserve::loader {
namespace {

constexpr uint32_t kTestK = 4;
constexpr float kUserW = 0.25F;
constexpr float kItemW = -0.5F;
constexpr float kElement = 0.5F;  // of every vector: <v, v> is 1

model::FeatureSchema TestSchema(const std::string& extra_context_field,
                                std::optional<double> price_mean) {
  std::vector<model::Field> fields;
  if (!extra_context_field.empty()) fields.push_back({.name = extra_context_field});
  fields.push_back({.name = "user"});
  fields.push_back({.name = "ad", .side = model::Side::kItem});
  if (price_mean) {
    fields.push_back({.name = "price",
                      .kind = model::FieldKind::kNumeric,
                      .side = model::Side::kItem,
                      .transform = model::Transform::kStandardise,
                      .mean = *price_mean});
  }
  return *model::FeatureSchema::Create(std::move(fields));
}

void AddRow(model::WeightWriter& writer, const model::FeatureSchema& schema, std::string_view field,
            const std::string& value, float w) {
  const auto index = static_cast<uint8_t>(*schema.Find(field));
  const std::array<float, kTestK> v = {kElement, kElement, kElement, kElement};
  const uint64_t key = model::ValueKey(schema.seed(index), value);
  ASSERT_TRUE(writer.AddRow({.key = key, .field = index, .value = value, .w = w, .v = v}).ok());
}

}  // namespace

void WriteTestFile(const TestFile& file, const std::string& path) {
  const model::FeatureSchema schema = TestSchema(file.extra_context_field, file.price_mean);
  model::WeightFileOptions options;
  options.model_name = file.model;
  options.version = file.version;
  options.k = kTestK;
  options.w0 = file.w0;
  options.created_unix_us = file.created_unix_us;
  options.schema = schema;
  model::WeightWriter writer(std::move(options));
  for (int i = 0; i < file.rows_count; ++i)
    AddRow(writer, schema, "user", absl::StrCat("u", i), kUserW);
  AddRow(writer, schema, "ad", "a0", kItemW);
  AddRow(writer, schema, "ad", "a1", kItemW);
  if (file.with_golden) {
    model::Golden golden;
    golden.cells.resize(schema.size());
    golden.cells[*schema.Find("user")] = "u0";
    golden.cells[*schema.Find("ad")] = "a1";
    golden.score = file.w0 + kUserW + kItemW + kTestK * kElement * kElement + file.golden_error;
    writer.AddGolden(std::move(golden));
  }
  if (!file.metadata.empty()) writer.SetMetadata(file.metadata);
  const absl::Status status = writer.Finish(path);
  ASSERT_TRUE(status.ok()) << status;
}

void WriteTestCatalogue(const TestCatalogue& catalogue, const std::string& path) {
  model::CatalogueOptions options;
  options.model_name = catalogue.model;
  options.version = catalogue.version;
  options.schema = TestSchema("", catalogue.price_mean);
  const auto ad = static_cast<uint8_t>(*options.schema.Find("ad"));
  model::FeatureList features;
  features.Add(model::ValueKey(options.schema.seed(ad), "a0"), 1.0F, ad);
  model::CatalogueWriter writer(std::move(options));
  for (uint32_t i = 0; i < catalogue.items_count; ++i) {
    model::CatalogueItem item;
    item.id = i + 1;
    item.features = features.view();
    const absl::Status status = writer.Add(item);
    ASSERT_TRUE(status.ok()) << status;
  }
  const absl::Status status = writer.Finish(path);
  ASSERT_TRUE(status.ok()) << status;
}

std::shared_ptr<const Snapshot> MakeSnapshot(const TestFile& file) {
  const TestFolder folder;
  const std::string path = folder.Path("file.fmw");
  WriteTestFile(file, path);
  return std::make_shared<const Snapshot>(*model::WeightFile::Open(path), TestKernels());
}

float EmptyScore(const Snapshot& snapshot) {
  thread_local model::Scratch scratch;
  const std::array<uint32_t, 1> lengths = {0};
  std::array<float, 1> scores = {};
  snapshot.scorer().ScoreContext({}, scratch);
  snapshot.scorer().ScoreCandidates({}, lengths, scratch, scores);
  return scores[0];
}

double BestScore(const Snapshot& snapshot) {
  thread_local model::Scratch scratch;
  thread_local model::TopKMemory memory;
  snapshot.scorer().ScoreContext({}, scratch);
  const model::TopK best = snapshot.catalogue()->Best(
      scratch, 1, nullptr, [] { return true; }, memory);
  EXPECT_EQ(best.items.size(), 1U);
  return best.items.empty() ? 0.0 : best.items[0].score;
}

TestFolder::TestFolder() : path_(absl::StrCat(::testing::TempDir(), "fmserve_loader_XXXXXX")) {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::Path(std::string_view name) const {
  return (std::filesystem::path(path_) / name).string();
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, std::string_view content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.good()) << path;
}

std::vector<std::string> ListFolder(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

const model::KernelTable& TestKernels() { return **model::DefaultKernels(); }

std::string TestStore::ModelPath(std::string_view name) const {
  return (std::filesystem::path(store()) / kModel / name).string();
}

std::string TestStore::CachePath(std::string_view name) const {
  return (std::filesystem::path(cache()) / name).string();
}

Manifest TestStore::Publish(const TestFile& file) const {
  const std::string path = folder_.Path("trained.fmw");
  WriteTestFile(file, path);
  absl::StatusOr<Manifest> manifest = loader::Publish(
      path, {.store = store(), .model = kModel, .allow_no_goldens = true}, TestKernels());
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.ok() ? *manifest : Manifest();
}

Manifest TestStore::PublishBytes(uint64_t version, std::string_view bytes,
                                 Artifact artifact) const {
  WriteFile(artifact == Artifact::kWeights ? WeightPath(version) : CataloguePath(version), bytes);
  Manifest manifest{.model = kModel,
                    .version = version,
                    .size_bytes = bytes.size(),
                    .sha256 = Sha256Hex(bytes),
                    .published_unix_us = 1'700'000'000'000'000};
  PublishManifest(manifest, artifact);
  return manifest;
}

void TestStore::PublishManifest(const Manifest& manifest, Artifact artifact) const {
  const std::string path =
      absl::StrCat(StoreFolder(store(), kModel, artifact), "/", kManifestFileName);
  WriteFile(path + ".new", SerializeManifest(manifest));
  std::filesystem::rename(path + ".new", path);
}

Manifest TestStore::PublishCatalogue(const TestCatalogue& catalogue) const {
  const std::string path = folder_.Path("made.fmc");
  WriteTestCatalogue(catalogue, path);
  absl::StatusOr<Manifest> manifest =
      loader::PublishCatalogue(path, {.store = store(), .model = kModel});
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.ok() ? *manifest : Manifest();
}

std::string TestStore::CataloguePath(uint64_t version) const {
  return absl::StrCat(StoreFolder(store(), kModel, Artifact::kCatalogue), "/",
                      FileName(Artifact::kCatalogue, version));
}

std::string TestStore::CatalogueBytes(const TestCatalogue& catalogue) const {
  const std::string path = folder_.Path("bytes.fmc");
  WriteTestCatalogue(catalogue, path);
  return ReadFile(path);
}

std::string TestStore::Bytes(const TestFile& file) const {
  const std::string path = folder_.Path("bytes.fmw");
  WriteTestFile(file, path);
  return ReadFile(path);
}

LoaderOptions TestStore::Options() const {
  LoaderOptions options;
  options.model = kModel;
  options.cache_dir = cache();
  options.poll_interval = std::chrono::milliseconds(5);
  options.kernels = &TestKernels();
  return options;
}

std::unique_ptr<Source> TestStore::MakeSource(Artifact artifact) const {
  return std::make_unique<DirectorySource>(store(), kModel, artifact);
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(std::as_bytes(std::span(bytes)));
  return hash.HexDigest();
}

ModelLoader::EventListener EventLog::listener() {
  return [this](const LoaderEvent& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  };
}

std::vector<LoaderEvent> EventLog::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

int EventLog::Count(LoaderEvent::Kind kind, Artifact artifact) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count_if(events_, [=](const LoaderEvent& event) {
    return event.kind == kind && event.artifact == artifact;
  }));
}

bool EventLog::WaitFor(LoaderEvent::Kind kind, uint64_t version, Artifact artifact) const {
  return Eventually([&] {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(events_, [&](const LoaderEvent& event) {
      return event.kind == kind && event.version == version && event.artifact == artifact;
    });
  });
}

bool ComesToServe(const ModelLoader& loader, uint64_t version) {
  return Eventually([&] {
    const std::shared_ptr<const Snapshot> snapshot = loader.slot().Get();
    return snapshot != nullptr && snapshot->version() == version &&
           loader.GetStatus().serving_version == version;
  });
}

bool ComesToServePair(const ModelLoader& loader, uint64_t version, uint64_t catalogue_version) {
  return Eventually([&] {
    const std::shared_ptr<const Snapshot> snapshot = loader.slot().Get();
    return snapshot != nullptr && snapshot->version() == version &&
           snapshot->catalogue_version() == catalogue_version &&
           loader.GetStatus().serving_version == version;
  });
}

}  // namespace fmserve::loader
