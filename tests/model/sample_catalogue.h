// Catalogues for tests that open, damage or use one. Without GoogleTest, because the fuzzer comes
// here too: what must not fail aborts.
#ifndef FMSERVE_TESTS_MODEL_SAMPLE_CATALOGUE_H_
#define FMSERVE_TESTS_MODEL_SAMPLE_CATALOGUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/catalogue_file.h"
#include "model/catalogue_writer.h"
#include "tests/model/sample_file.h"

namespace fmserve::model {

// An item that owns what CatalogueItem points to.
struct TestItem {
  uint64_t id = 0;
  std::string text_id;
  FeatureList features;
  std::vector<std::vector<std::string_view>> values;
  float bid = 0.0F;
};

absl::Status AddTo(CatalogueWriter& writer, const TestItem& item);

absl::Status WriteCatalogue(const CatalogueOptions& options, const std::vector<TestItem>& items,
                            const std::string& path);

// The file as bytes; it goes to the temporary directory and away again.
AlignedBytes CatalogueBytes(const CatalogueOptions& options, const std::vector<TestItem>& items);

// A file of its own, opened.
std::shared_ptr<const CatalogueFile> OpenCatalogue(const CatalogueOptions& options,
                                                   const std::vector<TestItem>& items);

// Three items with features of SampleSchema, the attributes "genre" and "advertiser", bids and
// metadata, at `path`. Ids are 7, 9 and 2^63, or "anna", "bert" and "zoe" in Cyrillic.
absl::Status WriteSampleCatalogue(IdType id_type, const std::string& path);

// The same as bytes.
AlignedBytes SampleCatalogue(IdType id_type);

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_SAMPLE_CATALOGUE_H_
