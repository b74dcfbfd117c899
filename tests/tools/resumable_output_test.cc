#include "tools/topk/resumable_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace fmserve::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ResumableOutputTest : public ::testing::Test {
 protected:
  static OutputIdentity Identity() { return {{"--k", "10"}, {"--filter", "a in {b}"}}; }

  ResumableOutputTest() {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    path_ = std::filesystem::path(::testing::TempDir()) / (name + ".tsv");
    for (const char* suffix : {"", ".partial", ".journal"}) std::filesystem::remove(path_ + suffix);
  }

  absl::StatusOr<ResumableOutput> Open(const OutputIdentity& identity = Identity(),
                                       bool restart = false) const {
    return ResumableOutput::Open(path_, identity, restart);
  }

  // Two users are on the disk, half of another is written; then the process is gone.
  void WriteAndDie() const {
    auto output = Open();
    ASSERT_TRUE(output.ok()) << output.status();
    ASSERT_TRUE(output->Append("a\nb\n").ok());
    ASSERT_TRUE(output->Commit(2).ok());
    ASSERT_TRUE(output->Append("half of c").ok());
  }

  std::string Read(const std::string& suffix) const {
    std::ifstream in(path_ + suffix);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  void AppendTo(const std::string& suffix, std::string_view text) const {
    std::ofstream(path_ + suffix, std::ios::app) << text;
  }

  std::string path_;
};

TEST_F(ResumableOutputTest, HasItsNameWhenItIsFinishedAndNothingElseIsLeft) {
  auto output = Open();
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->empty());
  ASSERT_TRUE(output->Append("a\n").ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(output->Finish().ok());
  EXPECT_EQ(Read(""), "a\n");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".journal"));
}

TEST_F(ResumableOutputTest, GoesOnBehindTheLastUserOnTheDisk) {
  WriteAndDie();
  auto output = Open();
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->users(), 2U);
  EXPECT_FALSE(output->empty());
  ASSERT_TRUE(output->Append("c\n").ok());
  ASSERT_TRUE(output->Finish().ok());
  EXPECT_EQ(Read(""), "a\nb\nc\n");
}

TEST_F(ResumableOutputTest, ALineOfTheJournalThatWasCutShortDoesNotCount) {
  WriteAndDie();
  AppendTo(".journal", "3 1");
  EXPECT_EQ(Open()->users(), 2U);
  AppendTo(".journal", std::string("\0\0\0\n3 9\n", 8));
  EXPECT_EQ(Open()->users(), 2U);
  AppendTo(".journal", "3 9999\n");
  EXPECT_EQ(Open()->users(), 2U);
}

TEST_F(ResumableOutputTest, RefusesToMixAndNamesWhatDiffers) {
  WriteAndDie();
  const auto other = Open({{"--k", "20"}, {"--filter", "a in {b}"}});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()),
              AllOf(HasSubstr("--k"), HasSubstr("--restart"), Not(HasSubstr("--filter"))));
  EXPECT_EQ(Open()->users(), 2U) << "what was refused changed nothing";
}

TEST_F(ResumableOutputTest, RestartsWhenAskedTo) {
  WriteAndDie();
  auto output = Open({{"--k", "20"}}, /*restart=*/true);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->users(), 0U);
  ASSERT_TRUE(output->Append("z\n").ok());
  ASSERT_TRUE(output->Finish().ok());
  EXPECT_EQ(Read(""), "z\n");
}

TEST_F(ResumableOutputTest, APartialFileOfUnknownOriginIsNotOverwritten) {
  AppendTo(".partial", "dear to somebody");
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read(".partial"), "dear to somebody");
}

TEST_F(ResumableOutputTest, AJournalWithoutItsFileIsNothing) {
  AppendTo(".journal", "{\"--k\":\"99\"}\n5 50\n");
  EXPECT_EQ(Open()->users(), 0U);
}

TEST_F(ResumableOutputTest, OneProcessAtATime) {
  auto first = Open();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ResumableOutputTest, AFolderThatIsNotThereIsNamed) {
  const auto output = ResumableOutput::Open("/no_such_folder/r.tsv", Identity(), false);
  EXPECT_THAT(std::string(output.status().message()), HasSubstr("/no_such_folder/r.tsv"));
}

}  // namespace
}  // namespace fmserve::tools
