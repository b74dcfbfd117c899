#include "trainer/import/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/trainer/import_files.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

ImportedModel Read(const std::string& bytes) {
  const std::optional<ImportFormat> format = DetectFormat(bytes);
  EXPECT_TRUE(format);
  absl::StatusOr<ImportedModel> model = ReadModel(*format, bytes);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : ImportedModel();
}

// The message of the refusal.
std::string Problem(const absl::StatusOr<ImportedModel>& model) {
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(model.status().message());
}

// All seeds with three features and two factors hold this model.
const ImportedModel& Reference() {
  static const auto* const kModel = new ImportedModel(Read(Seed("libfm_text", "whole")));
  return *kModel;
}

struct SeedCase {
  const char* reader;
  const char* name;
  ImportFormat format;
};

class WholeFileTest : public testing::TestWithParam<SeedCase> {
 protected:
  bool IsArchive() const { return bytes_.starts_with("PK") || bytes_.starts_with("\x1f\x8b"); }

  const std::string bytes_ = Seed(GetParam().reader, GetParam().name);
};

TEST_P(WholeFileTest, IsKnownByItsFirstBytes) {
  EXPECT_EQ(DetectFormat(bytes_), GetParam().format);
}

TEST_P(WholeFileTest, HoldsTheParameters) {
  const ImportedModel model = Read(bytes_);
  EXPECT_EQ(model.k, 2U);
  EXPECT_FLOAT_EQ(static_cast<float>(model.w0), static_cast<float>(Reference().w0));
  EXPECT_EQ(model.w, Reference().w);
  EXPECT_EQ(model.v, Reference().v);
  EXPECT_THAT(model.ids, IsEmpty());
}

TEST_P(WholeFileTest, IsRefusedWhenItsEndIsMissing) {
  const bool text = GetParam().format == ImportFormat::kLibfm ||
                    GetParam().format == ImportFormat::kXlearnText ||
                    GetParam().format == ImportFormat::kAlphafmText;
  for (size_t size = 0; size < bytes_.size(); ++size) {
    const absl::StatusOr<ImportedModel> model =
        ReadModel(GetParam().format, std::string_view(bytes_).substr(0, size));
    if (!model.ok()) {
      ASSERT_THAT(Problem(model), HasSubstr("byte ")) << size;
      continue;
    }
    // A text may lose a digit or a line, an archive the list of what was in it.
    ASSERT_TRUE(text || IsArchive()) << size;
    if (text) continue;
    ASSERT_EQ(model->v, Reference().v) << size;
    ASSERT_GT(size, bytes_.size() / 2);
  }
}

TEST_P(WholeFileTest, IsRefusedWithMoreBehindItsEnd) {
  if (IsArchive()) GTEST_SKIP() << "archives may end in padding";
  EXPECT_THAT(Problem(ReadModel(GetParam().format, bytes_ + "x")), HasSubstr("byte "));
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, WholeFileTest,
    testing::Values(SeedCase{"libfm_text", "whole", ImportFormat::kLibfm},
                    SeedCase{"xlearn_text", "fm", ImportFormat::kXlearnText},
                    SeedCase{"xlearn_binary", "fm_adagrad", ImportFormat::kXlearnBinary},
                    SeedCase{"xlearn_binary", "fm_ftrl_squared", ImportFormat::kXlearnBinary},
                    SeedCase{"alphafm_text", "k2", ImportFormat::kAlphafmText},
                    SeedCase{"alphafm_binary", "double", ImportFormat::kAlphafmBinary},
                    SeedCase{"alphafm_binary", "float", ImportFormat::kAlphafmBinary},
                    SeedCase{"ndarray_list", "v0", ImportFormat::kSageMaker},
                    SeedCase{"ndarray_list", "v1", ImportFormat::kSageMaker},
                    SeedCase{"ndarray_list", "v2", ImportFormat::kSageMaker},
                    SeedCase{"ndarray_list", "v3", ImportFormat::kSageMaker},
                    SeedCase{"ndarray_list", "older", ImportFormat::kSageMaker},
                    SeedCase{"ndarray_list", "f64", ImportFormat::kSageMaker},
                    SeedCase{"sagemaker", "model.tar.gz", ImportFormat::kSageMaker},
                    SeedCase{"sagemaker", "model_algo-1", ImportFormat::kSageMaker},
                    SeedCase{"npz", "stored", ImportFormat::kNpz},
                    SeedCase{"npz", "deflated", ImportFormat::kNpz},
                    SeedCase{"npz", "named", ImportFormat::kNpz},
                    SeedCase{"npz", "by_columns", ImportFormat::kNpz}),
    [](const auto& test) {
      std::string name = std::string(test.param.reader) + "_" + test.param.name;
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      return name;
    });

TEST(DetectFormatTest, KnowsNothingOfOtherFiles) {
  for (const std::string bytes : {"", "label 1:1\n", "BIAS: 1", "PK", "\x01\x02\x03"}) {
    EXPECT_EQ(DetectFormat(bytes), std::nullopt) << bytes;
  }
}

TEST(ReadersTest, SayWhatTheirFilesSay) {
  EXPECT_EQ(Reference().task, std::nullopt);
  EXPECT_TRUE(Reference().link_is_open);
  EXPECT_TRUE(Read(Seed("xlearn_text", "fm")).norm_is_open);
  EXPECT_EQ(Read(Seed("xlearn_text", "fm")).task, std::nullopt);
  const ImportedModel squared = Read(Seed("xlearn_binary", "fm_ftrl_squared"));
  EXPECT_EQ(squared.task, model::Task::kRegression);
  EXPECT_TRUE(squared.norm_is_open);
  EXPECT_THAT(squared.notes, ElementsAre(std::pair<std::string, std::string>("optimiser", "ftrl")));
  EXPECT_EQ(Read(Seed("xlearn_binary", "fm_adagrad")).task, model::Task::kBinary);
  EXPECT_EQ(Read(Seed("alphafm_text", "k2")).task, model::Task::kBinary);
  EXPECT_EQ(Read(Seed("ndarray_list", "v2")).task, std::nullopt);
  const ImportedModel sagemaker = Read(Seed("sagemaker", "model.tar.gz"));
  EXPECT_EQ(sagemaker.task, model::Task::kBinary);
  EXPECT_THAT(sagemaker.notes, ElementsAre(std::pair<std::string, std::string>("epoch", "2")));
  EXPECT_TRUE(Read(Seed("npz", "stored")).link_is_open);
}

TEST(ReadersTest, KeepTheNamesOfFeatures) {
  for (const char* name : {"double", "float"}) {
    EXPECT_THAT(Read(Seed("alphafm_binary", name)).names, ElementsAre("user=7", "ad|x", "b"));
  }
  EXPECT_THAT(Read(Seed("alphafm_text", "k2")).names, ElementsAre("user=7", "ad|x", "b"));
  EXPECT_THAT(Read(Seed("npz", "named")).features,
              ElementsAre(NamedFeature{"user", "1"}, NamedFeature{"user", "\xc3\xa9"},
                          NamedFeature{"ad", "b"}));
}

TEST(ReadersTest, GiveALinearModelOneFactorOfZeros) {
  for (const auto& [reader, name] :
       {std::pair{"xlearn_text", "linear"}, std::pair{"xlearn_binary", "linear_sgd"}}) {
    const ImportedModel model = Read(Seed(reader, name));
    EXPECT_EQ(model.w, Reference().w);
    EXPECT_EQ(model.k, 1U);
    EXPECT_THAT(model.v, ElementsAre(0.0F, 0.0F, 0.0F));
  }
  EXPECT_THAT(Read(Seed("alphafm_text", "k0")).v, ElementsAre(0.0F, 0.0F));
}

TEST(LibfmTest, SectionsWithoutTheirHeadersAreZero) {
  const ImportedModel model = Read(Seed("libfm_text", "factors_only"));
  EXPECT_EQ(model.w0, 0.0);
  EXPECT_THAT(model.w, ElementsAre(0.0F, 0.0F, 0.0F));
  EXPECT_EQ(model.v, Reference().v);
}

TEST(LibfmTest, LinesMayEndAsOnWindows) {
  const ImportedModel model = Read(
      "#global bias W0\r\n0.5\r\n#unary interactions Wj\r\n1\r\n#pairwise interactions "
      "Vj,f\r\n2 3 \r\n");
  EXPECT_EQ(model.w0, 0.5);
  EXPECT_THAT(model.w, ElementsAre(1.0F));
  EXPECT_THAT(model.v, ElementsAre(2.0F, 3.0F));
}

TEST(LibfmTest, RefusesWithLineByteAndReason) {
  const auto problem = [](const std::string& text) { return Problem(ReadLibfmText(text)); };
  const std::string v = "#pairwise interactions Vj,f\n";
  const std::string w = "#unary interactions Wj\n";
  EXPECT_EQ(problem(""), "line 1, byte 0: '#pairwise interactions Vj,f' should stand here");
  EXPECT_EQ(problem("#global bias W0\nx\n" + v + "1\n"),
            "line 2, byte 16: 'x' is not a finite 32-bit number");
  EXPECT_EQ(problem("#global bias W0\n1 2\n"), "line 2, byte 18: '2' is too much");
  EXPECT_EQ(problem(w + "1\nnan\n" + v), "line 3, byte 25: 'nan' is not a finite 32-bit number");
  EXPECT_EQ(problem(w + "1\n1e39\n" + v), "line 3, byte 25: '1e39' is not a finite 32-bit number");
  EXPECT_EQ(problem(w + "1\n\n" + v), "line 3, byte 25: a number is missing");
  EXPECT_EQ(problem(w + "1\n2\n" + v + "1 2\n"),
            "line 6, byte 59: ends after 1 lines of factors for 2 weights");
  EXPECT_EQ(problem(w + "1\n" + v + "1 2\n3 4\n"),
            "line 5, byte 57: more lines of factors than the 1 weights");
  EXPECT_EQ(problem(v + "1 2\n3\n"), "line 3, byte 32: 1 factors, the first feature has 2");
  EXPECT_EQ(problem(v), "line 2, byte 28: there are no features");
  std::string many = v;
  for (int f = 0; f <= 256; ++f) many += "1 ";
  EXPECT_THAT(problem(many), HasSubstr("more than 256 factors"));
}

TEST(XlearnTextTest, RefusesWithLineByteAndReason) {
  const auto problem = [](const std::string& text) { return Problem(ReadXlearnText(text)); };
  EXPECT_EQ(problem("bias 1\n"), "line 1, byte 0: 'bias:' should stand here");
  EXPECT_EQ(problem("bias: 1\n"), "line 2, byte 8: there are no features");
  EXPECT_EQ(problem("bias: 1\ni_1: 2\n"), "line 2, byte 8: 'i_0:' should stand here");
  EXPECT_EQ(problem("bias: 1\ni_0: 2\nw_0: 1\n"), "line 3, byte 15: 'v_0:' should stand here");
  EXPECT_EQ(problem("bias: 1\ni_0: 2\ni_1: 2\nv_0: 1\n"),
            "line 5, byte 29: ends after the factors of 1 features of 2");
  EXPECT_EQ(problem("bias: 1\ni_0: 2\nv_0:\n"), "line 3, byte 15: there are no factors");
  EXPECT_THAT(Problem(ReadXlearnText(Seed("xlearn_text", "ffm"))),
              HasSubstr("a field-aware model (FFM)"));
}

TEST(XlearnBinaryTest, RefusesWithByteAndReason) {
  const std::string whole = Seed("xlearn_binary", "fm_adagrad");
  const auto problem = [](const std::string& bytes) { return Problem(ReadXlearnBinary(bytes)); };
  EXPECT_EQ(problem(With(whole, 8, 'x')), "byte 8: the score 'xm' is not 'linear', 'fm' or 'ffm'");
  EXPECT_THAT(problem(With(whole, 0, ~uint64_t{0})), StartsWith("byte 8: ends early: "));
  EXPECT_THAT(problem(With(whole, 18, 'x')), StartsWith("byte 18: the loss 'xross-entropy' is"));
  EXPECT_EQ(problem(With(whole, 31, uint32_t{0})), "byte 31: 0 features, not 1 to 2147483648");
  EXPECT_EQ(problem(With(whole, 39, uint32_t{257})), "byte 39: 257 factors, not 1 to 256");
  EXPECT_EQ(problem(With(whole, 43, uint32_t{4})), "byte 43: 4 values per parameter, not 1 to 3");
  EXPECT_EQ(problem(With(whole, 47, uint32_t{7})), "byte 47: 7 values of w, there should be 6");
  // A billion features that are not there take no memory.
  EXPECT_THAT(problem(With(With(With(whole, 31, uint32_t{1} << 30), 47, uint32_t{1} << 31), 51,
                           uint32_t{0})),
              StartsWith("byte 51: 0 values of v, there should be 8589934592"));
  EXPECT_EQ(problem(With(whole, 55, 0x7f800000U)), "byte 55: inf is not a finite 32-bit number");
  EXPECT_EQ(problem(With(whole, 87 + 8, 1.0F)), "byte 95: padding is 1, not 0");
  EXPECT_THAT(Problem(ReadXlearnBinary(Seed("xlearn_binary", "ffm"))),
              HasSubstr("a field-aware model (FFM)"));
}

TEST(AlphafmTextTest, RefusesWithLineByteAndReason) {
  const auto problem = [](const std::string& text) { return Problem(ReadAlphafmText(text)); };
  EXPECT_EQ(problem("Bias 1 2 3\n"), "line 1, byte 0: 'bias' should stand here");
  EXPECT_EQ(problem("bias 1 2\n"), "line 1, byte 7: 2 numbers of the bias, not 3");
  EXPECT_EQ(problem("bias 1 2 3\n"), "line 2, byte 11: there are no features");
  EXPECT_THAT(problem("bias 1 2 3\na 1 2 3 4\n"), HasSubstr("4 numbers of feature 'a', not three"));
  EXPECT_THAT(problem("bias 1 2 3\na 1 2 3\nb 1 2 3 4 5 6\n"),
              HasSubstr("line 3, byte 31: 6 numbers of feature 'b', not 3 * (1 + k) with k = 0"));
  EXPECT_EQ(problem("bias 1 2 3\n\na 1 2 3\n"), "line 2, byte 11: the line is empty");
  EXPECT_THAT(problem("bias 1 2 3\n" + std::string(1025, 'a') + " 1 2 3\n"),
              HasSubstr("a name of 1025 bytes, more than the 1024 allowed"));
}

TEST(AlphafmBinaryTest, RefusesWithByteAndReason) {
  const std::string whole = Seed("alphafm_binary", "double");
  const auto problem = [](const std::string& bytes) { return Problem(ReadAlphafmBinary(bytes)); };
  EXPECT_EQ(problem(With(whole, 0, uint64_t{2})), "byte 0: version 2, not 1");
  EXPECT_EQ(problem(With(whole, 8, uint64_t{2})), "byte 8: numbers of 2 bytes, not 4 or 8");
  EXPECT_EQ(problem(With(whole, 16, ~uint64_t{0})),
            "byte 16: 18446744073709551615 factors, not 0 to 256");
  EXPECT_THAT(problem(With(whole, 24, uint64_t{1})), StartsWith("byte 24: 1 features with the"));
  EXPECT_THAT(problem(With(whole, 24, uint64_t{1} << 31)),
              StartsWith("byte 56: ends early: what is promised takes"));
  EXPECT_THAT(problem(With(whole, 40, uint64_t{0})), HasSubstr("was interrupted"));
  EXPECT_EQ(problem(With(whole, 48, uint64_t{48})),
            "byte 48: 48 bytes of numbers per feature, there should be 72");
  EXPECT_EQ(problem(With(whole, 58, 'B')), "byte 58: the first feature is not 'bias'");
  EXPECT_EQ(problem(With(whole, 134, uint16_t{0})), "byte 134: a name of 0 bytes, not 1 to 1024");
  EXPECT_EQ(problem(With(whole, 142, 1e300)), "byte 142: 1e+300 is not a finite 32-bit number");
}

}  // namespace
}  // namespace fmserve::trainer
