#include "model/catalogue_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/catalogue_format.h"
#include "model/catalogue_header.h"
#include "model/text.h"
#include "model/weight_writer.h"
#include "tests/model/sample_catalogue.h"

namespace fmserve::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

std::shared_ptr<const CatalogueFile> Opened(const AlignedBytes& bytes) {
  auto file = CatalogueFile::FromBytes(bytes.span());
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *file : nullptr;
}

CatalogueOptions PlainOptions() {
  CatalogueOptions options;
  options.model_name = "ctr";
  options.schema = SampleSchema();
  return options;
}

TEST(CatalogueFileTest, GivesBackWhatWasWrittenInTheOrderOfTheIds) {
  const AlignedBytes bytes = SampleCatalogue(IdType::kInteger);
  const auto file = Opened(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->info().model_name, "ctr");
  EXPECT_EQ(file->info().version, 3U);
  EXPECT_EQ(file->info().created_unix_us, 1'795'000'000'000'000U);
  EXPECT_EQ(file->schema().fields(), SampleSchema().fields());
  ASSERT_EQ(file->size(), 3U);
  EXPECT_EQ(file->ids().integer(0), 7U);
  EXPECT_EQ(file->ids().integer(1), 9U);
  EXPECT_EQ(file->ids().integer(2), uint64_t{1} << 63);
  EXPECT_THAT(file->features(0).xs, ElementsAre(1.0F, 1.0F));
  EXPECT_THAT(file->features(1).xs, ElementsAre(1.0F, 0.75F, 0.25F));
  EXPECT_THAT(file->features(1).fields, ElementsAre(2, 3, 3));
  EXPECT_EQ(file->features(1).keys[1], ValueKey(file->schema().seed(3), "sport"));
  EXPECT_THAT(file->features(2).keys, IsEmpty());
  EXPECT_THAT(file->bids(), ElementsAre(0.25F, 1.5F, 0.0F));
  EXPECT_EQ(file->metadata(), (Metadata{{"made.by", "a test"}}));
}

TEST(CatalogueFileTest, AttributesHaveSortedValuesAndAnyNumberPerItem) {
  const AlignedBytes bytes = SampleCatalogue(IdType::kInteger);
  const auto file = Opened(bytes);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(file->attributes().size(), 2U);
  const Attribute& genre = file->attributes()[0];
  EXPECT_EQ(genre.name, "genre");
  EXPECT_THAT(genre.values, ElementsAre("news", "sport"));
  EXPECT_THAT(genre.of(0), ElementsAre(0));
  EXPECT_THAT(genre.of(1), ElementsAre(0, 1));
  EXPECT_THAT(genre.of(2), IsEmpty());
  EXPECT_EQ(genre.Find("sport"), 1U);
  EXPECT_EQ(genre.Find("opera"), std::nullopt);
  EXPECT_THAT(file->attributes()[1].values, ElementsAre("acme", "\xc3\xa9toile"));
}

TEST(CatalogueFileTest, FindsItemsByIntegerAndByString) {
  const AlignedBytes integers = SampleCatalogue(IdType::kInteger);
  const auto by_integer = Opened(integers);
  ASSERT_NE(by_integer, nullptr);
  EXPECT_EQ(by_integer->ids().Find(uint64_t{9}), 1U);
  EXPECT_EQ(by_integer->ids().Find(uint64_t{8}), std::nullopt);
  EXPECT_EQ(by_integer->ids().Find("9"), std::nullopt);
  const AlignedBytes strings = SampleCatalogue(IdType::kString);
  const auto by_string = Opened(strings);
  ASSERT_NE(by_string, nullptr);
  EXPECT_EQ(by_string->ids().text(0), "anna");
  EXPECT_EQ(by_string->ids().Find("bert"), 1U);
  EXPECT_EQ(by_string->ids().Find("\xd0\xb7\xd0\xbe\xd0\xb5"), 2U);
  for (const char* absent : {"", "a", "berta", "zz"})
    EXPECT_EQ(by_string->ids().Find(absent), std::nullopt) << absent;
  EXPECT_EQ(by_string->ids().Find(uint64_t{7}), std::nullopt);
}

TEST(CatalogueFileTest, MayBeEmptyAndHaveNoBids) {
  const auto file = OpenCatalogue(PlainOptions(), {});
  EXPECT_EQ(file->size(), 0U);
  EXPECT_THAT(file->bids(), IsEmpty());
  EXPECT_THAT(file->attributes(), IsEmpty());
}

TEST(CatalogueFileTest, IsNoWeightFile) {
  const AlignedBytes weights = SampleBytes(Quantization::kF32);
  const absl::Status status = CatalogueFile::FromBytes(weights.span()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), HasSubstr("not a catalogue: header at offset 0"));
}

TEST(CatalogueFileTest, NamesThePathOfAFileThatItRefuses) {
  const std::string path = ::testing::TempDir() + "not_a_catalogue";
  std::ofstream(path) << "text";
  const absl::Status status = CatalogueFile::Open(path).status();
  EXPECT_THAT(MessageOf(status), HasSubstr(path));
  EXPECT_EQ(CatalogueFile::Open(path + ".absent").status().code(), absl::StatusCode::kNotFound);
}

TEST(CatalogueFileTest, StopsAtAnyCheckpoint) {
  const std::string path = ::testing::TempDir() + "checkpoints.fmc";
  const AlignedBytes bytes = SampleCatalogue(IdType::kString);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.span().data()),
             static_cast<std::streamsize>(bytes.span().size()));
  int total = 0;
  const auto count = [&] {
    ++total;
    return absl::OkStatus();
  };
  ASSERT_TRUE(CatalogueFile::Open(path, count).ok());
  EXPECT_GT(total, 10);
  for (int stop = 0; stop < total; ++stop) {
    int left = stop;
    const auto until = [&] { return left-- > 0 ? absl::OkStatus() : absl::CancelledError("stop"); };
    EXPECT_EQ(CatalogueFile::Open(path, until).status().code(), absl::StatusCode::kCancelled);
  }
}

// Lies: a file that is whole, whose checksums are right, and that says what it must not.
struct CatalogueLie {
  const char* what;  // the message must hold it
  std::function<void(AlignedBytes&)> tell;
};

format::CatalogueHeader& HeaderOf(AlignedBytes& bytes) {
  return *reinterpret_cast<format::CatalogueHeader*>(bytes.span().data());
}

// Byte `position` of the section of that type.
std::byte* SectionAt(AlignedBytes& bytes, format::CatalogueSection type, size_t position) {
  const auto* const entries =
      reinterpret_cast<const format::SectionEntry*>(bytes.span().data() + sizeof(FileEnvelope));
  for (uint32_t i = 0; i < HeaderOf(bytes).sections_count; ++i) {
    if (entries[i].type == static_cast<uint32_t>(type))
      return bytes.span().data() + entries[i].offset + position;
  }
  return nullptr;
}

template <typename T>
void Put(AlignedBytes& bytes, format::CatalogueSection type, size_t position, T value) {
  std::memcpy(SectionAt(bytes, type, position), &value, sizeof(value));
}

TEST(CatalogueFileTest, RefusesLiesAndNamesThem) {
  using format::CatalogueSection;
  const CatalogueLie lies[] = {
      {"unknown type of ids 2", [](auto& f) { HeaderOf(f).id_type = 2; }},
      {"items, at most", [](auto& f) { HeaderOf(f).items_count = ~uint64_t{0}; }},
      {"its counts take", [](auto& f) { HeaderOf(f).items_count = 4; }},
      {"do not hold exactly", [](auto& f) { HeaderOf(f).features_count = 6; }},
      {"do not hold exactly", [](auto& f) { HeaderOf(f).features_count = ~uint64_t{0} / 13; }},
      {"attributes, at most", [](auto& f) { HeaderOf(f).attributes_count = 65; }},
      {"bytes left over", [](auto& f) { HeaderOf(f).attributes_count = 1; }},
      {"ends early", [](auto& f) { HeaderOf(f).attributes_count = 3; }},
      {"reserved bytes", [](auto& f) { HeaderOf(f).reserved[103] = 1; }},
      {"reserved bytes", [](auto& f) { HeaderOf(f).reserved_before[0] = 1; }},
      {"the model name", [](auto& f) { HeaderOf(f).model_name[0] = '/'; }},
      {"item 1: the id is not above",
       [](auto& f) { Put(f, CatalogueSection::kIds, 8, uint64_t{7}); }},
      {"its part ends at", [](auto& f) { Put(f, CatalogueSection::kFeatures, 0, uint64_t{6}); }},
      {"its part ends at", [](auto& f) { Put(f, CatalogueSection::kFeatures, 8, uint64_t{1}); }},
      {"the items end at 3 of 5",
       [](auto& f) {
         Put(f, CatalogueSection::kFeatures, 8, uint64_t{3});
         Put(f, CatalogueSection::kFeatures, 16, uint64_t{3});
       }},
      {"its part ends at 18446744073709551615",
       [](auto& f) { Put(f, CatalogueSection::kFeatures, 8, ~uint64_t{0}); }},
      {"its key is 0", [](auto& f) { Put(f, CatalogueSection::kFeatures, 24, uint64_t{0}); }},
      {"its x is not finite",
       [](auto& f) {
         Put(f, CatalogueSection::kFeatures, 24 + 40, std::numeric_limits<float>::infinity());
       }},
      {"not one of the item side",
       [](auto& f) { Put(f, CatalogueSection::kFeatures, 24 + 40 + 20, uint8_t{0}); }},
      {"not one of the item side",
       [](auto& f) { Put(f, CatalogueSection::kFeatures, 24 + 40 + 20, uint8_t{200}); }},
      {"does not ascend",
       [](auto& f) { Put(f, CatalogueSection::kAttributeValues, 12, uint32_t{2}); }},
      {"does not ascend",
       [](auto& f) { Put(f, CatalogueSection::kAttributeValues, 16, uint32_t{1}); }},
      {"the bid is negative", [](auto& f) { Put(f, CatalogueSection::kBids, 0, -1.0F); }},
      {"the bid is negative", [](auto& f) { Put(f, CatalogueSection::kBids, 4, std::nanf("")); }},
  };
  const AlignedBytes truth = SampleCatalogue(IdType::kInteger);
  for (const CatalogueLie& lie : lies) {
    AlignedBytes forged = truth;
    lie.tell(forged);
    FixChecksums(forged.span());
    const absl::Status status = CatalogueFile::FromBytes(forged.span()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << lie.what;
    EXPECT_THAT(MessageOf(status), HasSubstr(lie.what));
  }
}

TEST(CatalogueFileTest, RefusesLiesAboutStringIds) {
  const AlignedBytes truth = SampleCatalogue(IdType::kString);
  const auto tell = [&](size_t position, auto value) {
    AlignedBytes forged = truth;
    Put(forged, format::CatalogueSection::kIds, position, value);
    FixChecksums(forged.span());
    return MessageOf(CatalogueFile::FromBytes(forged.span()).status());
  };
  EXPECT_THAT(tell(0, uint64_t{0}), HasSubstr("item 0: the id ends at 0"));
  EXPECT_THAT(tell(0, ~uint64_t{0}), HasSubstr("item 0: the id ends at"));
  EXPECT_THAT(tell(16, uint64_t{12}), HasSubstr("bytes left over"));
  EXPECT_THAT(tell(24, 'c'), HasSubstr("item 1: the id is not above"));
  EXPECT_THAT(tell(24, '\xff'), HasSubstr("item 0: the id is not UTF-8"));
}

TEST(CatalogueWriterTest, RefusesItemsThatAReaderWouldRefuse) {
  CatalogueOptions options = PlainOptions();
  options.attributes = {"genre"};
  options.with_bids = true;
  CatalogueWriter writer(options);
  const auto refusal = [&](const std::function<void(TestItem&)>& spoil) {
    TestItem item;
    item.id = 1;
    item.features.Add(5, 1.0F, 2);
    item.values = {{"news"}};
    spoil(item);
    return MessageOf(AddTo(writer, item));
  };
  EXPECT_THAT(refusal([](auto& item) { item.features.keys[0] = 0; }), HasSubstr("its key is 0"));
  EXPECT_THAT(refusal([](auto& item) { item.features.xs[0] = std::nanf(""); }),
              HasSubstr("its x is not finite"));
  EXPECT_THAT(refusal([](auto& item) { item.features.fields[0] = 0; }), HasSubstr("field 0"));
  EXPECT_THAT(refusal([](auto& item) { item.features.fields[0] = 4; }), HasSubstr("field 4"));
  EXPECT_THAT(refusal([](auto& item) { item.values.clear(); }), HasSubstr("values of 0"));
  EXPECT_THAT(refusal([](auto& item) { item.values[0] = {""}; }), HasSubstr("'genre'"));
  EXPECT_THAT(refusal([](auto& item) { item.values[0] = {"\x80"}; }), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal([](auto& item) { item.bid = -0.5F; }), HasSubstr("the bid"));
  EXPECT_THAT(refusal([](auto& item) { item.bid = INFINITY; }), HasSubstr("the bid"));
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_THAT(refusal([](auto&) {}), "");  // the id again: Finish finds it
  const std::string path = ::testing::TempDir() + "refused.fmc";
  EXPECT_THAT(MessageOf(writer.Finish(path)), HasSubstr("two items have the id 1"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CatalogueWriterTest, RefusesOptionsThatAReaderWouldRefuse) {
  const auto refusal = [](const std::function<void(CatalogueOptions&)>& spoil) {
    CatalogueOptions options = PlainOptions();
    spoil(options);
    return MessageOf(CatalogueWriter(options).Finish(::testing::TempDir() + "refused.fmc"));
  };
  EXPECT_THAT(refusal([](auto& o) { o.model_name = "a/b"; }), HasSubstr("the model name"));
  EXPECT_THAT(refusal([](auto& o) { o.schema = {}; }), HasSubstr("schema"));
  EXPECT_THAT(refusal([](auto& o) { o.attributes = {"a", "a"}; }), HasSubstr("two attributes"));
  EXPECT_THAT(refusal([](auto& o) { o.attributes = {"\n"}; }), HasSubstr("an attribute's name"));
  EXPECT_THAT(refusal([](auto& o) { o.attributes.assign(65, "a"); }), HasSubstr("attributes"));
  EXPECT_THAT(refusal([](auto& o) { o.metadata = {{"", "x"}}; }), HasSubstr("metadata"));
}

TEST(StampCatalogueTest, ChangesNameAndVersionAndNothingElse) {
  AlignedBytes bytes = SampleCatalogue(IdType::kInteger);
  const AlignedBytes before = bytes;
  ASSERT_TRUE(StampHeader(bytes.span(), "cvr", 12).ok());
  const auto file = Opened(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->info().model_name, "cvr");
  EXPECT_EQ(file->info().version, 12U);
  ASSERT_TRUE(StampHeader(bytes.span(), "ctr", 3).ok());
  EXPECT_TRUE(std::ranges::equal(bytes.span(), before.span()));
  HeaderOf(bytes).items_count += 1;
  EXPECT_THAT(MessageOf(StampHeader(bytes.span(), "ctr", 3)), HasSubstr("checksum"));
}

TEST(TextTest, Utf8IsWellFormed) {
  for (const std::string_view good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(IsUtf8(good)) << good;
  for (const std::string_view bad :
       {"\x80", "\xc3", "\xc3(", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "a\xe2\x82"})
    EXPECT_FALSE(IsUtf8(bad)) << Quote(bad);
}

}  // namespace
}  // namespace fmserve::model
