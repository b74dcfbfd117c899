#include "tools/history_text.h"

#include <gtest/gtest.h>

namespace fmserve::tools {
namespace {

using fmserve::v1::HistoryStep;

void Add(HistoryStep step, int64_t seconds, const std::string& who, const std::string& why,
         fmserve::v1::VersionHistory* history) {
  fmserve::v1::HistoryEvent* const event = history->add_events();
  event->set_step(step);
  event->mutable_time()->set_seconds(seconds);
  event->set_who(who);
  event->set_why(why);
}

// Version 2 was rolled back to version 1, which serves.
fmserve::v1::ListHistoryResponse SomeHistory() {
  fmserve::v1::ListHistoryResponse response;
  fmserve::v1::VersionHistory* const second = response.add_versions();
  second->set_version(2);
  Add(fmserve::v1::HISTORY_STEP_PUBLISHED, 1'000'000, "publisher", "", second);
  Add(fmserve::v1::HISTORY_STEP_SERVED, 1'000'060, "server", "after version 1", second);
  Add(fmserve::v1::HISTORY_STEP_ENDED, 1'000'120, "operator ann", "rolled back", second);
  fmserve::v1::VersionHistory* const first = response.add_versions();
  first->set_version(1);
  Add(fmserve::v1::HISTORY_STEP_SERVED, 1'000'000, "server", "the first version", first);
  Add(fmserve::v1::HISTORY_STEP_ENDED, 1'000'060, "server", "version 2 serves", first);
  Add(fmserve::v1::HISTORY_STEP_SERVED, 1'000'120, "operator ann", "rolled back", first);
  return response;
}

TEST(HistoryText, IsALinePerVersionWithItsLastEvent) {
  EXPECT_EQ(
      HistoryText(SomeHistory()),
      "version  published            fetched  gated  served               ended                "
      "last    who           why\n"
      "      2  1970-01-12 13:46:40  -        -      1970-01-12 13:47:40  1970-01-12 13:48:40  "
      "ended   operator ann  rolled back\n"
      "      1  -                    -        -      1970-01-12 13:48:40  -                    "
      "served  operator ann  rolled back\n");
}

TEST(HistoryText, OfOneVersionIsALinePerEvent) {
  fmserve::v1::ListHistoryResponse history = SomeHistory();
  history.mutable_versions()->DeleteSubrange(1, 1);
  history.mutable_versions(0)->set_of_catalogue(true);
  EXPECT_EQ(EventsText(history),
            "      version  time                 step       who           why\n"
            "2 (catalogue)  1970-01-12 13:46:40  published  publisher\n"
            "2 (catalogue)  1970-01-12 13:47:40  served     server        after version 1\n"
            "2 (catalogue)  1970-01-12 13:48:40  ended      operator ann  rolled back\n");
}

TEST(HistoryText, JsonHasTheTimesAndAllEvents) {
  const Json json = VersionHistoryJson(SomeHistory().versions(0));
  EXPECT_EQ(json["artifact"], "weights");
  EXPECT_EQ(json["served"], "1970-01-12T13:47:40Z");
  EXPECT_EQ(json["ended"], "1970-01-12T13:48:40Z");
  EXPECT_EQ(json["fetched"], nullptr);
  EXPECT_EQ(json["events"].size(), 3U);
  EXPECT_EQ(json["events"][2]["who"], "operator ann");
  EXPECT_EQ(VersionHistoryJson(SomeHistory().versions(1))["ended"], nullptr) << "it serves again";
}

}  // namespace
}  // namespace fmserve::tools
