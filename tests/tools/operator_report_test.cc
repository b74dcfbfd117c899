#include "tools/operator_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace fmserve::tools {
namespace {

using ::testing::HasSubstr;

const std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'000'000)};

fmserve::v1::Model SomeModel() {
  fmserve::v1::Model model;
  model.set_name("ctr");
  model.set_is_default(true);
  model.set_serving_version(7);
  model.set_previous_version(6);
  model.set_load_state(fmserve::v1::LOAD_STATE_VERIFYING);
  model.set_loading_version(8);
  model.mutable_serving_since()->set_seconds(1'000'000 - 192);
  model.set_snapshot_bytes(512'000'000);
  model.set_swaps_count(3);
  return model;
}

TEST(ModelsText, ShowsWhatServesAndWhatGoesOn) {
  EXPECT_EQ(ModelsText({SomeModel()}, kNow),
            "model          serving         for  previous  pinned  state        swaps    memory\n"
            "ctr (default)        7  3 min 12 s         6  -       verifying 8      3  512.0 MB\n");
}

TEST(ModelsText, ShowsTheCanaryItsShareAndSinceWhen) {
  fmserve::v1::Model model = SomeModel();
  model.set_load_state(fmserve::v1::LOAD_STATE_IDLE);
  model.set_loading_version(0);
  model.set_canary_version(8);
  model.set_canary_percent(2.5);
  model.mutable_canary_since()->set_seconds(1'000'000 - 65);
  EXPECT_THAT(ModelsText({model}, kNow), HasSubstr("  idle, canary 8 (2.5 % for 1 min 5 s)  "));
}

TEST(ModelsText, PutsWhatWentWrongBelow) {
  fmserve::v1::Model model = SomeModel();
  model.set_last_error("version 8: gate golden: off by 0.3");
  EXPECT_TRUE(ModelsText({model}, kNow).ends_with("\nctr: version 8: gate golden: off by 0.3\n"));
}

TEST(ModelsText, ShowsCataloguesOfTheModelsThatHaveOne) {
  fmserve::v1::Model with = SomeModel();
  with.set_loading_version(0);
  with.set_loading_catalogue_version(13);
  with.set_catalogue_version(12);
  with.set_previous_catalogue_version(11);
  with.set_catalogue_items_count(250'000);
  with.set_catalogue_bytes(96'000'000);
  with.mutable_catalogue_published()->set_seconds(1'000'000 - 5);
  with.set_catalogue_error("version 13: it cannot be folded");
  fmserve::v1::Model without = SomeModel();
  without.set_name("cvr");
  without.set_is_default(false);
  EXPECT_EQ(ModelsText({with, without}, kNow),
            "model          serving         for  previous  pinned  state                   swaps   "
            " memory\n"
            "ctr (default)        7  3 min 12 s         6  -       verifying catalogue 13      3  "
            "512.0 MB\n"
            "cvr                  7  3 min 12 s         6  -       verifying 8                 3  "
            "512.0 MB\n"
            "\n"
            "catalogue of  serving  published  previous   items   memory\n"
            "ctr                12    5 s ago        11  250000  96.0 MB\n"
            "ctr: catalogue: version 13: it cannot be folded\n");
}

TEST(ModelJson, HasZeroForNoVersionAndNullForNoTime) {
  fmserve::v1::Model model;
  model.set_name("ctr");
  model.set_load_state(fmserve::v1::LOAD_STATE_IDLE);
  EXPECT_EQ(
      ModelJson(model).dump(),
      R"({"name":"ctr","default":false,"serving_version":0,"previous_version":0,"pinned_version":0,"state":"idle",)"
      R"("loading_version":0,"last_error":"","serving_since":null,"snapshot_bytes":0,"huge_page_bytes":0,"swaps":0,"held_version":0,)"
      R"("canary_version":0,"canary_percent":0.0,"canary_since":null,)"
      R"("watched_version":0,"watched_since":null,"watch_is_failing":false,"automatic_rollbacks":0,)"
      R"("catalogue":{"serving_version":0,"previous_version":0,"loading_version":0,"published":null,"items":0,"bytes":0,)"
      R"("last_error":""}})");
}

TEST(Versions, HaveAHeadingThatSaysWhatTheyAreOf) {
  EXPECT_EQ(VersionsText({}, kNow, "catalogue"),
            "catalogue  state  size  published  sha256  reason\n");
}

TEST(Versions, SayTheirStateAndReason) {
  fmserve::v1::Version version;
  version.set_version(8);
  version.set_state(fmserve::v1::VERSION_STATE_REJECTED);
  version.set_reason("checksum of section rows");
  version.set_size_bytes(2000);
  version.mutable_published()->set_seconds(1'000'000 - 5);
  version.set_sha256("0123456789abcdef0123");
  EXPECT_EQ(VersionsText({version}, kNow),
            "version  state       size  published  sha256        reason\n"
            "      8  rejected  2.0 KB    5 s ago  0123456789ab  checksum of section rows\n");
  EXPECT_EQ(
      VersionJson(version).dump(),
      R"({"version":8,"state":"rejected","reason":"checksum of section rows","size_bytes":2000,)"
      R"("published":"1970-01-12T13:46:35Z","sha256":"0123456789abcdef0123"})");
}

}  // namespace
}  // namespace fmserve::tools
