#include "tools/generate/ad_world.h"

#include <xxhash.h>

#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fmserve::tools {
namespace {

constexpr size_t kUsers = 60'000;
constexpr size_t kAds = 4'000;
constexpr size_t kAdvertisers = 300;
constexpr size_t kMostInterests = 6;

constexpr std::array<std::string_view, 24> kTopics = {
    "autos",  "beauty",  "books",   "business", "cooking", "culture", "dating",     "education",
    "family", "fashion", "finance", "fitness",  "games",   "garden",  "health",     "jobs",
    "movies", "music",   "news",    "pets",     "science", "sports",  "technology", "travel"};
constexpr std::array<std::string_view, 20> kCountries = {"us", "de", "gb", "fr", "jp", "br", "in",
                                                         "it", "es", "ca", "au", "nl", "se", "pl",
                                                         "mx", "ch", "at", "dk", "no", "pt"};
constexpr std::array<std::string_view, 7> kAgeGroups = {"",      "18-24", "25-34", "35-44",
                                                        "45-54", "55-64", "65+"};
constexpr std::array<std::string_view, 3> kDevices = {"phone", "desktop", "tablet"};
constexpr std::array<std::string_view, 4> kFormats = {"banner", "native", "video", "carousel"};

// Busy evenings, quiet nights.
int DrawHour(std::mt19937_64& random) {
  std::uniform_int_distribution<int> hours(0, 23);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (;;) {
    const int hour = hours(random);
    const double activity = 0.55 + 0.45 * std::cos((hour - 19) * M_PI / 12.0);
    if (unit(random) < activity) return hour;
  }
}

}  // namespace

std::string_view AdWorldSchemaYaml() {
  return R"(# A click log of an invented ad exchange, written by `fm generate`.
task: binary
label: click
fields:
  - {name: user_id, min_count: 3}
  - {name: age_group}
  - {name: country}
  - {name: interests, kind: multi_valued, combiner: mean}
  - {name: visits, kind: numeric, transform: log_square}
  - {name: device}
  - {name: hour, value_type: integer}
  - {name: page_topic}
  - {name: ad_id, side: item, min_count: 3}
  - {name: advertiser, side: item, min_count: 3}
  - {name: category, side: item}
  - {name: format, side: item}
)";
}

AdWorld::AdWorld(uint64_t seed)
    : seed_(seed),
      users_(kUsers, 0.8),
      countries_(kCountries.size(), 1.0),
      topics_(kTopics.size(), 0.7),
      ads_(kAds, 1.0) {}

size_t AdWorld::Attribute(std::string_view what, size_t id, size_t count) const {
  const std::string text = std::string(what) + std::to_string(id);
  return XXH3_64bits_withSeed(text.data(), text.size(), seed_) % count;
}

std::vector<std::string> AdWorld::DrawImpression(std::mt19937_64& random) const {
  std::vector<std::string> cells;
  DrawUser(random, cells);
  DrawAd(random, cells);
  return cells;
}

void AdWorld::DrawUser(std::mt19937_64& random, std::vector<std::string>& cells) const {
  const size_t user = users_(random);
  std::mt19937_64 habits(Attribute("habits", user, SIZE_MAX));  // the same at every visit
  cells.push_back(absl::StrCat("u", user));
  cells.emplace_back(kAgeGroups[Attribute("age", user, kAgeGroups.size())]);
  cells.emplace_back(kCountries[countries_(habits)]);
  std::string interests;
  for (size_t i = habits() % (kMostInterests + 1); i > 0; --i) {
    if (!interests.empty()) interests += '|';
    interests += kTopics[topics_(habits)];
  }
  cells.push_back(std::move(interests));
  cells.push_back(absl::StrCat(
      std::geometric_distribution<int>(1.0 / (2.0 + 60'000.0 / (1.0 + user)))(random)));
  const bool usual = random() % 4 != 0;
  cells.emplace_back(kDevices[usual ? Attribute("device", user, 2) : random() % kDevices.size()]);
  cells.push_back(absl::StrCat(DrawHour(random)));
  cells.emplace_back(kTopics[topics_(random)]);
}

void AdWorld::DrawAd(std::mt19937_64& random, std::vector<std::string>& cells) const {
  const size_t ad = ads_(random);
  const size_t advertiser = Attribute("advertiser", ad, kAdvertisers);
  cells.push_back(absl::StrCat("ad", ad));
  cells.push_back(absl::StrCat("adv", advertiser));
  cells.emplace_back(kTopics[Attribute("category", advertiser, kTopics.size())]);
  cells.emplace_back(kFormats[Attribute("format", ad, kFormats.size())]);
}

}  // namespace fmserve::tools
