// What SageMaker and NumPy write: archives and the arrays in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/trainer/import_files.h"
#include "trainer/import/archive.h"
#include "trainer/import/ndarray_list.h"
#include "trainer/import/npy.h"
#include "trainer/import/readers.h"

namespace fmserve::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Where things are in the list of v (3, 2), w1_weight (3, 1) and w0_weight (1, 1), V2.
constexpr size_t kFirstArray = 24;
constexpr size_t kStorage = kFirstArray + 4;
constexpr size_t kDimensions = kStorage + 4;
constexpr size_t kRows = kDimensions + 4;
constexpr size_t kType = kRows + 16 + 8;
constexpr size_t kData = kType + 4;

std::string Problem(const std::string& bytes) {
  const absl::StatusOr<ImportedModel> model = ReadSageMaker(bytes);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(model.status().message());
}

TEST(NdArrayListTest, RefusesWithByteAndReason) {
  const std::string whole = Seed("ndarray_list", "v2");
  EXPECT_EQ(ReadNdArrayList(With(whole, 0, uint64_t{0x113})).status().message(),
            "byte 0: the magic number is 275, not 274");
  EXPECT_EQ(Problem(With(whole, 16, ~uint64_t{0})),
            "byte 16: 18446744073709551615 arrays, more than the 4096 allowed");
  EXPECT_EQ(Problem(With(whole, kFirstArray, uint32_t{9})),
            "byte 24: neither a magic number nor a number of dimensions: 9");
  EXPECT_EQ(Problem(With(whole, kStorage, int32_t{3})), "byte 28: storage 3, not 0 to 2");
  EXPECT_EQ(Problem(With(whole, kDimensions, int32_t{-1})), "byte 32: -1 dimensions, not 0 to 8");
  EXPECT_EQ(Problem(With(whole, kRows, int64_t{-3})), "byte 36: a dimension of -3");
  EXPECT_EQ(Problem(With(whole, kType, int32_t{7})), "byte 60: data type 7, not 0 to 6");
  EXPECT_THAT(Problem(With(whole, kRows, int64_t{1} << 62)),
              StartsWith("byte 64: ends early: the data of an array takes 18446744073709551615"));
  EXPECT_THAT(Problem(With(whole, kRows, int64_t{3'000'000'000})),
              StartsWith("byte 64: ends early: the data of an array takes 24000000000 bytes"));
  EXPECT_EQ(Problem(With(whole, kData + 4, 0x7fc00000U)),
            "byte 68: nan is not a finite 32-bit number");
  EXPECT_EQ(Problem(Replaced(whole, "arg:w0_weight", "arg:w1_weight")),
            "byte " + std::to_string(whole.size() - 13) + ": the name 'w1_weight' stands twice");
  EXPECT_THAT(Problem(Replaced(whole, "arg:v", "arg:u")),
              HasSubstr("not a factorization machine: it should have v, w1_weight"));
}

TEST(NdArrayListTest, OnlyTheRowsOfARowSparseArrayAreFeatures) {
  const absl::StatusOr<ImportedModel> model = ReadSageMaker(Seed("ndarray_list", "row_sparse"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->ids, ElementsAre(0, 2));
  const ImportedModel whole = *ReadSageMaker(Seed("ndarray_list", "v2"));
  EXPECT_THAT(model->w, ElementsAre(whole.w[0], whole.w[2]));
  EXPECT_THAT(model->v, ElementsAre(whole.v[0], whole.v[1], whole.v[4], whole.v[5]));
  EXPECT_EQ(model->IdText(1), "2");
}

TEST(NdArrayListTest, RefusesRowsThatDoNotFit) {
  // V2, row-sparse: the stored shape (2, 2), the shape (3, 2), device, type, type of the row
  // numbers, their shape (2), four floats, two row numbers.
  const std::string sparse = Seed("ndarray_list", "row_sparse");
  constexpr size_t kStored = kStorage + 4 + 4;
  constexpr size_t kRowNumbers = kStorage + 4 + 20 + 20 + 8 + 4 + 4 + 12 + 16;
  EXPECT_THAT(Problem(With(sparse, kRowNumbers, int64_t{2})), HasSubstr("row 2 comes after row 2"));
  EXPECT_THAT(Problem(With(sparse, kRowNumbers, int64_t{-1})), HasSubstr("row -1 of an array"));
  EXPECT_THAT(Problem(With(sparse, kRowNumbers + 8, int64_t{3})),
              HasSubstr("byte 124: row 3 of an array with 3"));
  EXPECT_THAT(Problem(With(sparse, kStored, int64_t{1})),
              HasSubstr("the rows of a row-sparse array do not fit its shape"));
}

TEST(SageMakerTest, WithoutMetaTheNamesTellTheShape) {
  const std::string whole = Seed("ndarray_list", "v2");
  const std::string transposed = With(With(whole, kRows, int64_t{2}), kRows + 8, int64_t{3});
  EXPECT_THAT(Problem(transposed),
              HasSubstr("byte " + std::to_string(kData + 24 + 40) +
                        ": 'w1_weight' has the shape (3, 1), not a number for each of 2 features"));
}

TEST(SageMakerTest, RefusesArchivesThatHoldSomethingElse) {
  EXPECT_THAT(Problem(std::string("PK\x03\x04") + std::string(100, '\0')), StartsWith("byte "));
  EXPECT_THAT(Problem("\x1f\x8b not gzip"), StartsWith("byte "));
  EXPECT_THAT(Problem(Seed("npz", "stored")), HasSubstr("has no member 'params'"));
  EXPECT_THAT(Problem(With(Seed("sagemaker", "model_algo-1"), 200, 'x')),
              HasSubstr("member 'params': "));
}

TEST(ArchiveTest, TakesOnlyWhatIsWanted) {
  const auto members = ReadArchive(Seed("sagemaker", "model.tar.gz"),
                                   [](std::string_view name) { return name == "state_5f"; });
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 1U);
  EXPECT_EQ(members->front().content, "{}");
}

std::string NpyProblem(const std::string& bytes) {
  const absl::StatusOr<Npy> array = ParseNpy(bytes);
  const absl::Status status = array.ok() ? NpyFloats(*array).status() : array.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bytes;
  return std::string(status.message());
}

std::string NpyFile(const std::string& header, const std::string& data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  return bytes + header + data;
}

TEST(NpyTest, ReadsAnyOrderOfKeysAndItems) {
  const std::string file =
      NpyFile(R"({"shape": (2,2), 'fortran_order': True, 'descr': '<f4'})",
              std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16));
  const absl::StatusOr<Npy> array = ParseNpy(file);
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(*NpyFloats(*array), ElementsAre(1, 3, 2, 4));
}

TEST(NpyTest, RefusesWithByteAndReason) {
  const std::string rest = "'fortran_order': False, 'shape': (2,), }";
  const std::string data(8, '\0');
  EXPECT_EQ(NpyProblem("NUMPY"), "byte 0: ends early: the magic text takes 6 bytes, 5 are left");
  EXPECT_EQ(NpyProblem(With(NpyFile("", ""), 6, '\4')), "byte 6: version 4, not 1 to 3");
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': 4, " + rest, data)),
              StartsWith("byte 20: not {'descr'"));
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': '<f4', 'shape': (2,), }", data)),
              StartsWith("byte 43: not {'descr'"));
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': '|O', " + rest, data)),
              HasSubstr("elements of type '|O' are not known"));
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': '<i4', " + rest, data)),
              HasSubstr("store them as numpy.float32"));
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': "
                                 "(4294967296, 4294967296), }",
                                 data)),
              HasSubstr("ends early: the array takes"));
  EXPECT_THAT(NpyProblem(NpyFile("{'descr': '<f4', " + rest, data + "x")),
              HasSubstr("1 bytes too many"));
}

}  // namespace
}  // namespace fmserve::trainer
