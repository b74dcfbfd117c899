#include "loader/cleaner.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/loader/test_store.h"

namespace fmserve::loader {
namespace {

std::shared_ptr<const Snapshot> Version(uint64_t version) {
  return MakeSnapshot({.version = version});
}

// A file of `size_bytes` that has no name any more, and a second descriptor to watch it by.
struct NamelessFile {
  NamelessFile(const TestFolder& folder, size_t size_bytes) {
    WriteFile(folder.Path("file"), "");
    std::filesystem::resize_file(folder.Path("file"), size_bytes);
    watch = std::make_unique<FileDescriptor>(*OpenRegularFile(folder.Path("file")));
    file = std::make_unique<FileDescriptor>(*DetachFile(folder.Path("file")));
  }
  off_t SizeBytes() const {
    struct stat stat = {};
    EXPECT_EQ(fstat(watch->get(), &stat), 0);
    return stat.st_size;
  }

  std::unique_ptr<FileDescriptor> watch;
  std::unique_ptr<FileDescriptor> file;
};

TEST(Cleaner, DestroysARetiredSnapshotWhenItsLastRequestEnds) {
  ModelSlot slot;
  Cleaner cleaner(slot);
  slot.Publish(Version(1));
  std::shared_ptr<const Snapshot> request = slot.Get();
  const std::weak_ptr<const Snapshot> watch = request;
  slot.Publish(Version(2));
  slot.Publish(Version(3));
  cleaner.SnapshotWasRetired();
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  EXPECT_TRUE(slot.HasRetired());
  request.reset();
  EXPECT_TRUE(Eventually([&] { return watch.expired(); }));
  EXPECT_FALSE(slot.HasRetired());
  EXPECT_EQ(slot.Previous()->version(), 2U);
}

TEST(Cleaner, LeavesWhatOtherSnapshotsShareAsItIs) {
  const TestFolder folder;
  WriteTestCatalogue({.version = 1}, folder.Path("file.fmc"));
  ModelSlot slot;
  Cleaner cleaner(slot);
  slot.Publish(Version(1));
  std::weak_ptr<const model::FoldedCatalogue> first;
  for (int i = 0; i < 3; ++i) {
    auto folded = *model::FoldedCatalogue::Fold(
        slot.Get()->shared_file(), *model::CatalogueFile::Open(folder.Path("file.fmc")),
        TestKernels());
    if (i == 0) first = folded;
    slot.Publish(std::make_shared<const Snapshot>(*slot.Get(), std::move(folded)));
    cleaner.SnapshotWasRetired();
  }
  EXPECT_TRUE(Eventually([&] { return first.expired() && !slot.HasRetired(); }));
  EXPECT_EQ(EmptyScore(*slot.Get()), EmptyScore(*slot.Previous()));
  EXPECT_EQ(BestScore(*slot.Get()), BestScore(*slot.Previous()));
}

TEST(Cleaner, HurriesWhenMoreFilesComeThanItCanFreeGently) {
  const TestFolder folder;
  ModelSlot slot;
  Cleaner cleaner(slot);
  std::vector<NamelessFile> files;
  for (int i = 0; i < 100; ++i) files.emplace_back(folder, 40'000'000);  // each takes 1.2 s gently
  for (NamelessFile& file : files) cleaner.Free(std::move(*file.file));
  EXPECT_TRUE(Eventually([&] { return files.back().SizeBytes() == 0; }));
}

TEST(Cleaner, FreesAFileOnlyWhenNoRequestCanHaveItMapped) {
  const TestFolder folder;
  NamelessFile nameless(folder, 3'000'000);
  ModelSlot slot;
  Cleaner cleaner(slot);
  slot.Publish(Version(1));
  std::shared_ptr<const Snapshot> request = slot.Get();
  slot.Publish(Version(2));
  slot.Publish(Version(3));
  cleaner.SnapshotWasRetired();
  cleaner.Free(std::move(*nameless.file));
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  EXPECT_EQ(nameless.SizeBytes(), 3'000'000);
  request.reset();
  EXPECT_TRUE(Eventually([&] { return nameless.SizeBytes() == 0; }));
}

TEST(Cleaner, DestroysSnapshotsWhileItFreesABigFile) {
  const TestFolder folder;
  NamelessFile nameless(folder, 400'000'000);
  ModelSlot slot;
  Cleaner cleaner(slot);
  cleaner.Free(std::move(*nameless.file));
  ASSERT_TRUE(Eventually([&] { return nameless.SizeBytes() < 400'000'000; }));
  slot.Publish(Version(1));
  slot.Publish(Version(2));
  slot.Publish(Version(3));
  cleaner.SnapshotWasRetired();
  EXPECT_TRUE(Eventually([&] { return !slot.HasRetired(); }));
  EXPECT_GT(nameless.SizeBytes(), 0) << "and ends without waiting for the rest";
}

}  // namespace
}  // namespace fmserve::loader
