#include "tests/model/sample_catalogue.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace fmserve::model {
namespace {

void MustHold(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

std::string TemporaryCatalogue() {
  static int files = 0;
  return absl::StrCat(std::filesystem::temp_directory_path().string(), "/fmserve_catalogue_",
                      getpid(), "_", files++, ".fmc");
}

// The bytes of a file that is read and removed.
AlignedBytes TakeBytes(const std::string& path) {
  AlignedBytes bytes = ReadFileBytes(path);
  std::filesystem::remove(path);
  return bytes;
}

}  // namespace

absl::Status AddTo(CatalogueWriter& writer, const TestItem& item) {
  return writer.Add({.id = item.id,
                     .text_id = item.text_id,
                     .features = item.features.view(),
                     .values = item.values,
                     .bid = item.bid});
}

absl::Status WriteCatalogue(const CatalogueOptions& options, const std::vector<TestItem>& items,
                            const std::string& path) {
  CatalogueWriter writer(options);
  for (const TestItem& item : items) {
    if (absl::Status status = AddTo(writer, item); !status.ok()) return status;
  }
  return writer.Finish(path);
}

AlignedBytes CatalogueBytes(const CatalogueOptions& options, const std::vector<TestItem>& items) {
  const std::string path = TemporaryCatalogue();
  MustHold(WriteCatalogue(options, items, path));
  return TakeBytes(path);
}

std::shared_ptr<const CatalogueFile> OpenCatalogue(const CatalogueOptions& options,
                                                   const std::vector<TestItem>& items) {
  const std::string path = TemporaryCatalogue();
  MustHold(WriteCatalogue(options, items, path));
  auto file = CatalogueFile::Open(path);
  std::filesystem::remove(path);
  MustHold(file.status());
  return *file;
}

absl::Status WriteSampleCatalogue(IdType id_type, const std::string& path) {
  CatalogueOptions options;
  options.model_name = "ctr";
  options.version = 3;
  options.created_unix_us = 1'795'000'000'000'000;
  options.schema = SampleSchema();
  options.id_type = id_type;
  options.attributes = {"genre", "advertiser"};
  options.with_bids = true;
  options.metadata = {{"made.by", "a test"}};
  const FeatureSchema& schema = options.schema;
  std::vector<TestItem> items(3);
  items[0].id = 9;
  items[0].text_id = "bert";
  items[0].features.Add(ValueKey(schema.seed(2), int64_t{9}), 1.0F, 2);
  items[0].features.Add(ValueKey(schema.seed(3), "sport"), 0.75F, 3);
  items[0].features.Add(ValueKey(schema.seed(3), "opera"), 0.25F, 3);
  items[0].values = {{"sport", "news"}, {"acme"}};
  items[0].bid = 1.5F;
  items[1].id = uint64_t{1} << 63;
  items[1].text_id = "\xd0\xb7\xd0\xbe\xd0\xb5";
  items[1].values = {{}, {"\xc3\xa9toile"}};
  items[2].id = 7;
  items[2].text_id = "anna";
  items[2].features.Add(ValueKey(schema.seed(2), int64_t{7}), 1.0F, 2);
  items[2].features.Add(schema.missing_key(3), 1.0F, 3);
  items[2].values = {{"news"}, {"acme"}};
  items[2].bid = 0.25F;
  return WriteCatalogue(options, items, path);
}

AlignedBytes SampleCatalogue(IdType id_type) {
  const std::string path = TemporaryCatalogue();
  MustHold(WriteSampleCatalogue(id_type, path));
  return TakeBytes(path);
}

}  // namespace fmserve::model
