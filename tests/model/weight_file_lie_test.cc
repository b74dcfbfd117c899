// Lies: whatever a file says wrong while its checksums are right is found and named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <utility>

#include "model/weight_file.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {
namespace {

using format::FileHeader;
using format::SectionEntry;
using format::SectionType;
using ::testing::HasSubstr;

// A sample file into which lies are written.
class Forgery {
 public:
  explicit Forgery(Quantization quantization, SampleKind kind = SampleKind::kPlain)
      : bytes_(SampleBytes(quantization, kind)) {
    std::memcpy(&header_, bytes_.span().data(), sizeof(header_));
  }

  FileHeader& header() { return header_; }
  const FileHeader& header() const { return header_; }

  SectionEntry entry(SectionType type) const {
    SectionEntry entry;
    std::memcpy(&entry, EntryAt(type), sizeof(entry));
    return entry;
  }
  void SetEntry(SectionType type, const SectionEntry& entry) {
    std::memcpy(EntryAt(type), &entry, sizeof(entry));
  }
  void ChangeEntry(SectionType type, const std::function<void(SectionEntry&)>& change) {
    SectionEntry changed = entry(type);
    change(changed);
    SetEntry(type, changed);
  }

  // Makes the section one of a type that no program knows, and optional.
  void Retype(SectionType type) {
    ChangeEntry(type, [](SectionEntry& entry) {
      entry.type = 99;
      entry.flags = 0;
    });
  }

  void Truncate(uint64_t size) {
    bytes_ = AlignedBytes(bytes_.span().first(size));
    header_.file_size = size;
  }

  std::byte* section(SectionType type) { return bytes_.span().data() + entry(type).offset; }

  // The first slot that holds a row, or does not.
  uint64_t slot(bool full) {
    uint64_t slot = 0;
    while ((*reinterpret_cast<const uint64_t*>(row(slot)) != 0) != full) ++slot;
    return slot;
  }
  std::byte* row(uint64_t slot) {
    return section(SectionType::kRows) + slot * header_.row_stride_bytes;
  }

  template <typename T>
  void Put(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof(value));
  }

  // What Open says to the file with these lies and right checksums.
  absl::Status Open() {
    std::memcpy(bytes_.span().data(), &header_, sizeof(header_));
    FixChecksums(bytes_.span());
    return WeightFile::FromBytes(bytes_.span()).status();
  }

 private:
  std::byte* EntryAt(SectionType type) const {
    auto* const table = const_cast<std::byte*>(bytes_.span().data()) + sizeof(FileHeader);
    for (uint32_t i = 0;; ++i) {
      std::byte* const at = table + i * sizeof(SectionEntry);
      if (*reinterpret_cast<const uint32_t*>(at) == static_cast<uint32_t>(type)) return at;
    }
  }

  AlignedBytes bytes_;
  FileHeader header_;
};

struct Lie {
  const char* name;
  std::function<void(Forgery&)> tell;
  std::string answer;  // part of the message
  absl::StatusCode code = absl::StatusCode::kDataLoss;
  Quantization quantization = Quantization::kF32;
  SampleKind kind = SampleKind::kPlain;

  friend void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.name; }
};

class LieTest : public ::testing::TestWithParam<Lie> {};

TEST_P(LieTest, IsNamed) {
  Forgery forgery(GetParam().quantization, GetParam().kind);
  ASSERT_TRUE(forgery.Open().ok()) << forgery.Open();
  GetParam().tell(forgery);
  const absl::Status status = forgery.Open();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().answer));
}

std::string LieName(const ::testing::TestParamInfo<Lie>& instance) { return instance.param.name; }

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    InTheHeader, LieTest,
    ::testing::Values(
        Lie{"Magic", [](Forgery& f) { f.header().magic[0] = 'X'; },
            "not a weight file: header at offset 0", absl::StatusCode::kInvalidArgument},
        Lie{"NewerMajor", [](Forgery& f) { f.header().format_major = 2; },
            "header at offset 8: format version 2.0", absl::StatusCode::kUnimplemented},
        Lie{"HeaderSize", [](Forgery& f) { f.header().header_size = 320; },
            "header at offset 12: "},
        Lie{"FileSize", [](Forgery& f) { ++f.header().file_size; },
            "header at offset 16: a file of"},
        Lie{"NameWithoutEnd", [](Forgery& f) { std::memset(f.header().model_name, 'a', 64); },
            "header at offset 40: the model name does not end in NUL"},
        Lie{"NamePadding", [](Forgery& f) { f.header().model_name[60] = 'a'; },
            "header at offset 40: the model name is not padded"},
        Lie{"NameWithSlash", [](Forgery& f) { f.header().model_name[1] = '/'; },
            "header at offset 40: the model name has characters"},
        Lie{"EmptyName", [](Forgery& f) { std::memset(f.header().model_name, 0, 64); },
            "header at offset 40: the model name is empty"},
        Lie{"Task", [](Forgery& f) { f.header().task = 2; },
            "header at offset 104: unknown task 2"},
        Lie{"Quantization", [](Forgery& f) { f.header().quantization = 3; },
            "header at offset 105: unknown quant"},
        Lie{"Link", [](Forgery& f) { f.header().link = 2; },
            "header at offset 106: unknown link 2"},
        Lie{"LinkOfAnotherTask", [](Forgery& f) { f.header().link = 0; },
            "header at offset 106: a binary task"},
        Lie{"TaskOfAnotherLink", [](Forgery& f) { f.header().task = 1; },
            "header at offset 106: a regression task"},
        Lie{"Calibration", [](Forgery& f) { f.header().calibration_kind = 2; },
            "header at offset 107: unknown calib"},
        Lie{"CalibrationOfNone", [](Forgery& f) { f.header().calibration_kind = 0; },
            "header at offset 152: calibration 'none'"},
        Lie{"KZero", [](Forgery& f) { f.header().k = 0; }, "header at offset 108: k is 0"},
        Lie{"KTooLarge", [](Forgery& f) { f.header().k = 257; }, "header at offset 108: k is 257"},
        Lie{"KOfAnotherStride", [](Forgery& f) { f.header().k = 5; },
            "header at offset 128: the row stride is 32"},
        Lie{"NoSlots", [](Forgery& f) { f.header().slots_count = 0; },
            "header at offset 120: 0 slots"},
        Lie{"TooManySlots", [](Forgery& f) { f.header().slots_count = uint64_t{1} << 32; },
            "header at offset 120: 4294967296 slots"},
        Lie{"MoreRowsThanSlots",
            [](Forgery& f) { f.header().rows_count = f.header().slots_count + 1; },
            "header at offset 112: "},
        Lie{"RowsThatAreNotThere", [](Forgery& f) { --f.header().rows_count; },
            "8 rows, the header says 7"},
        Lie{"TooManySections", [](Forgery& f) { f.header().sections_count = 65; },
            "header at offset 132: 65 sections"},
        Lie{"TableBeyondTheFile", [](Forgery& f) { f.header().sections_count = 64; },
            "header at offset 132: a table of 64"},
        Lie{"W0", [](Forgery& f) { f.header().w0 = kNan; },
            "header at offset 144: w0 is not finite"},
        Lie{"ScaleNan", [](Forgery& f) { f.header().calibration_scale = kNan; },
            "header at offset 152: "},
        Lie{"ScaleNegative", [](Forgery& f) { f.header().calibration_scale = -1.0; },
            "header at offset 152: "},
        Lie{"Offset", [](Forgery& f) { f.header().calibration_offset = kNan; },
            "header at offset 160: "},
        Lie{"Reserved", [](Forgery& f) { f.header().reserved[71] = 1; },
            "header at offset 168: reserved"}),
    LieName);

INSTANTIATE_TEST_SUITE_P(
    InTheTable, LieTest,
    ::testing::Values(
        Lie{"UnknownFlag",
            [](Forgery& f) { f.ChangeEntry(SectionType::kSchema, [](auto& e) { e.flags |= 2; }); },
            "section schema at offset 576: unknown flags 00000003"},
        Lie{"ReservedOfEntry",
            [](Forgery& f) { f.ChangeEntry(SectionType::kRows, [](auto& e) { e.reserved = 1; }); },
            "section rows at offset 1024: the reserved field"},
        Lie{"Misaligned",
            [](Forgery& f) { f.ChangeEntry(SectionType::kRows, [](auto& e) { e.offset += 32; }); },
            "section rows at offset 1056: the offset is no multiple of 64"},
        Lie{"OffsetBeyondTheFile",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kRows, [](auto& e) { e.offset = uint64_t{1} << 40; });
            },
            "section rows at offset 1099511627776: "},
        Lie{"SizeThatOverflows",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kRows, [](auto& e) { e.size = ~uint64_t{0} - 64; });
            },
            "do not fit in a file of"},
        Lie{"OffsetAndSizeThatWrapToZero",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kRows, [](auto& e) {
                e.offset = ~uint64_t{0} - 63;
                e.size = 64;
              });
            },
            "do not fit in a file of"},
        Lie{"Overlap",
            [](Forgery& f) { f.ChangeEntry(SectionType::kRows, [](auto& e) { e.offset -= 64; }); },
            "section rows at offset 960: overlaps what ends at offset 966"},
        Lie{"OverlapWithTheTable",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kSchema, [](auto& e) { e.offset = 512; });
            },
            "section schema at offset 512: overlaps what ends at offset 544"},
        Lie{"Gap",
            [](Forgery& f) { f.ChangeEntry(SectionType::kSchema, [](auto& e) { e.size -= 128; }); },
            "leaves a gap"},
        Lie{"Padding", [](Forgery& f) { f.Put(f.section(SectionType::kRows) - 1, uint8_t{1}); },
            "section rows at offset 1024: the padding before it is not zero"},
        Lie{"BytesAfterTheLastSection",
            [](Forgery& f) { f.ChangeEntry(SectionType::kNames, [](auto& e) { e.size -= 1; }); },
            "header at offset 16: 1 bytes after the last section"},
        Lie{"TwiceTheSameType",
            [](Forgery& f) { f.ChangeEntry(SectionType::kGoldens, [](auto& e) { e.type = 5; }); },
            "section metadata at offset 832: stands twice"},
        Lie{"UnknownRequired",
            [](Forgery& f) { f.ChangeEntry(SectionType::kRows, [](auto& e) { e.type = 99; }); },
            "section unknown (99) at offset 1024 is required", absl::StatusCode::kUnimplemented},
        Lie{"NoSchema", [](Forgery& f) { f.Retype(SectionType::kSchema); },
            "section schema is missing"},
        Lie{"NoDictionary", [](Forgery& f) { f.Retype(SectionType::kDictionary); },
            "section dictionary is missing"},
        Lie{"NoRows", [](Forgery& f) { f.Retype(SectionType::kRows); }, "section rows is missing"}),
    LieName);

INSTANTIATE_TEST_SUITE_P(
    InTheRows, LieTest,
    ::testing::Values(
        Lie{"KeyInTheWrongSlot",
            [](Forgery& f) {
              std::byte* const row = f.row(f.slot(true));
              std::byte* const empty = f.row(f.slot(false));
              std::swap_ranges(row, row + f.header().row_stride_bytes, empty);
            },
            "the lookup of its key ends elsewhere"},
        Lie{"KeyThatIsNotThatOfTheSlot", [](Forgery& f) { f.row(f.slot(true))[0] ^= std::byte{1}; },
            "section rows at offset 1024: slot 0: the lookup of its key ends elsewhere"},
        Lie{"AnotherSeed", [](Forgery& f) { ++f.header().dictionary_seed; },
            "the lookup of its key ends elsewhere"},
        Lie{"AnotherPilot",
            [](Forgery& f) { f.section(SectionType::kDictionary)[0] ^= std::byte{1}; },
            "the lookup of its key ends elsewhere"},
        Lie{"EmptySlotWithValues", [](Forgery& f) { f.row(f.slot(false))[20] = std::byte{1}; },
            "an empty slot is not zero"},
        Lie{"WNan", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 8, std::nanf("")); },
            "section rows at offset 1024: slot 0: w is not finite"},
        Lie{"WInfinite", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 8, -INFINITY); },
            "w is not finite"},
        Lie{"ScaleOfF32", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 12, 2.0F); },
            "the scale is out of range"},
        Lie{"FirstValueNan", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 16, std::nanf("")); },
            "a value is not finite"},
        Lie{"LastValueInfinite", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 24, -INFINITY); },
            "a value is not finite"},
        Lie{"PaddingOfARow", [](Forgery& f) { f.row(f.slot(true))[31] = std::byte{1}; },
            "the padding is not zero"},
        Lie{"F16Nan", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 20, uint16_t{0x7e00}); },
            "a value is not finite", absl::StatusCode::kDataLoss, Quantization::kF16},
        Lie{"F16Infinite", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 16, uint16_t{0xfc00}); },
            "a value is not finite", absl::StatusCode::kDataLoss, Quantization::kF16},
        Lie{"Int8ScaleNan", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 12, std::nanf("")); },
            "the scale is out of range", absl::StatusCode::kDataLoss, Quantization::kInt8},
        Lie{"Int8ScaleZero", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 12, 0.0F); },
            "the scale is out of range", absl::StatusCode::kDataLoss, Quantization::kInt8},
        Lie{"Int8ScaleThatOverflows", [](Forgery& f) { f.Put(f.row(f.slot(true)) + 12, 3e38F); },
            "the scale is out of range", absl::StatusCode::kDataLoss, Quantization::kInt8},
        Lie{"Int8Minus128", [](Forgery& f) { f.row(f.slot(true))[18] = std::byte{0x80}; },
            "a value is -128", absl::StatusCode::kDataLoss, Quantization::kInt8}),
    LieName);

INSTANTIATE_TEST_SUITE_P(
    InOtherSections, LieTest,
    ::testing::Values(
        Lie{"DictionaryOfAnOddSize",
            [](Forgery& f) { f.ChangeEntry(SectionType::kDictionary, [](auto& e) { --e.size; }); },
            "section dictionary at offset 960: 5 bytes are no whole number of pilots"},
        Lie{"EmptyDictionary",
            [](Forgery& f) {
              f.Retype(SectionType::kDictionary);
              f.ChangeEntry(SectionType::kNames, [](auto& e) {
                e.type = static_cast<uint32_t>(SectionType::kDictionary);
                e.size = 0;
              });
              f.Truncate(f.entry(SectionType::kDictionary).offset);
            },
            "section dictionary at offset 1344: 0 bytes are no whole number of pilots"},
        Lie{"SlotsThatTheRowsDoNotHold", [](Forgery& f) { ++f.header().slots_count; },
            "section rows at offset 1024: "},
        Lie{"SchemaCount", [](Forgery& f) { f.section(SectionType::kSchema)[3] = std::byte{1}; },
            "section schema at offset 576: a count of"},
        Lie{"SchemaKind", [](Forgery& f) { f.section(SectionType::kSchema)[12] = std::byte{9}; },
            "section schema at offset 576: field 'user' has an unknown kind"},
        Lie{"GoldenCount", [](Forgery& f) { f.section(SectionType::kGoldens)[2] = std::byte{1}; },
            "section goldens at offset 832: a count of"},
        Lie{"GoldenScore", [](Forgery& f) { f.Put(f.section(SectionType::kGoldens) + 4, kNan); },
            "section goldens at offset 832: the score of a golden is not finite"},
        Lie{"MetadataCount",
            [](Forgery& f) { ++*reinterpret_cast<uint8_t*>(f.section(SectionType::kMetadata)); },
            "section metadata at offset 768: "},
        Lie{"CountsOfOtherSlots",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kNames,
                            [](auto& e) { e.type = static_cast<uint32_t>(SectionType::kCounts); });
            },
            "slots take"},
        Lie{"NameThatEndsBehindItsBeginning",
            [](Forgery& f) { f.Put(f.section(SectionType::kNames) + 8, uint64_t{1}); },
            "slot 1: the record ends at 1"},
        Lie{"NameBeyondTheSection",
            [](Forgery& f) { f.Put(f.section(SectionType::kNames), ~uint64_t{0}); },
            "section names at offset 1344: slot 0: the record ends at 18446744073709551615"},
        Lie{"NameOfAFieldThatIsNotThere",
            [](Forgery& f) {
              f.section(SectionType::kNames)[f.header().slots_count * 8] = std::byte{4};
            },
            "field 4 of a schema of 4 fields"}),
    LieName);

constexpr size_t kRankAt = 0;
constexpr size_t kScalesAt = 4;    // two of them
constexpr size_t kFactorsAt = 12;  // two for each of four fields

// Of the field matrix, as f32 at `at`.
Lie MatrixLie(const char* name, size_t at, float number, std::string answer) {
  return {name,
          [at, number](Forgery& f) { f.Put(f.section(SectionType::kFieldMatrix) + at, number); },
          std::move(answer),
          absl::StatusCode::kDataLoss,
          Quantization::kF32,
          SampleKind::kFieldWeighted};
}

Lie RankLie(const char* name, uint32_t rank, std::string answer) {
  return {name,
          [rank](Forgery& f) { f.Put(f.section(SectionType::kFieldMatrix) + kRankAt, rank); },
          std::move(answer),
          absl::StatusCode::kDataLoss,
          Quantization::kF32,
          SampleKind::kFieldWeighted};
}

INSTANTIATE_TEST_SUITE_P(
    InTheFieldMatrix, LieTest,
    ::testing::Values(
        RankLie("RankZero", 0, "section field matrix at offset 1024: the rank is 0, not 1 to 16"),
        RankLie("RankTooLarge", 17, "the rank is 17, not 1 to 16"),
        RankLie("RankThatWouldOverflow", 0xffffffff, "the rank is 4294967295"),
        RankLie("RankOfFewerNumbers", 1, "20 bytes left over"),
        RankLie("RankOfMoreNumbers", 3, "ends early"),
        Lie{"RankTimesK",
            [](Forgery& f) {
              // The matrix is looked at before the rows, which these lies make too few.
              f.header().k = 200;
              f.header().row_stride_bytes = 832;
            },
            "rank 2 times k = 200 is more than 256", absl::StatusCode::kDataLoss,
            Quantization::kF32, SampleKind::kFieldWeighted},
        MatrixLie("ScaleNan", kScalesAt, std::nanf(""), "scale 0 is not finite"),
        MatrixLie("LastScaleInfinite", kScalesAt + 4, INFINITY, "scale 1 is not finite"),
        MatrixLie("FactorNan", kFactorsAt, std::nanf(""), "factor 0 of field 0 is not finite"),
        MatrixLie("LastFactorInfinite", kFactorsAt + 28, -INFINITY,
                  "factor 1 of field 3 is not finite"),
        MatrixLie("FactorWhoseSquareOverflows", kFactorsAt + 20, 3e19F,
                  "factor 1 of field 2 squared, times its scale, is not finite"),
        Lie{"MatrixThatMayBeSkipped",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kFieldMatrix, [](auto& e) { e.flags = 0; });
            },
            "section field matrix at offset 1024: it is not flagged as required",
            absl::StatusCode::kDataLoss, Quantization::kF32, SampleKind::kFieldWeighted},
        Lie{"MatrixThatIsCut",
            [](Forgery& f) {
              f.ChangeEntry(SectionType::kFieldMatrix, [](auto& e) { e.size -= 4; });
            },
            "the padding before it is not zero", absl::StatusCode::kDataLoss, Quantization::kF32,
            SampleKind::kFieldWeighted}),
    LieName);

// What a program from before field-weighted models makes of one.
TEST(EvolutionTest, AReaderThatDoesNotKnowTheFieldMatrixRefusesIt) {
  Forgery forgery(Quantization::kF32, SampleKind::kFieldWeighted);
  forgery.ChangeEntry(SectionType::kFieldMatrix, [](auto& entry) { entry.type = 99; });
  EXPECT_EQ(forgery.Open().code(), absl::StatusCode::kUnimplemented) << forgery.Open();
}

TEST(EvolutionTest, AnUnknownOptionalSectionIsSkipped) {
  Forgery forgery(Quantization::kF32);
  forgery.Retype(SectionType::kGoldens);
  EXPECT_TRUE(forgery.Open().ok()) << forgery.Open();
}

TEST(EvolutionTest, ANewerMinorVersionMayUseReservedBytes) {
  Forgery forgery(Quantization::kF32);
  forgery.header().format_minor = format::kMinor + 1;
  forgery.header().reserved[0] = 1;
  EXPECT_TRUE(forgery.Open().ok()) << forgery.Open();
}

}  // namespace
}  // namespace fmserve::model
