// An invented ad exchange: who visits which page and sees which ad. Its schema and its impressions,
// without clicks.
#ifndef FMSERVE_TOOLS_GENERATE_AD_WORLD_H_
#define FMSERVE_TOOLS_GENERATE_AD_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tools/generate/zipf.h"

namespace fmserve::tools {

// schema.yaml of the log; its fields are the cells of an impression.
std::string_view AdWorldSchemaYaml();

// Users and ads have habits and attributes of their own, fixed by the seed: a user's age group and
// interests, an ad's advertiser and category. Immutable.
class AdWorld {
 public:
  explicit AdWorld(uint64_t seed);

  // The cells of one impression, in the order of the schema's fields; "" is missing.
  std::vector<std::string> DrawImpression(std::mt19937_64& random) const;

 private:
  void DrawUser(std::mt19937_64& random, std::vector<std::string>& cells) const;
  void DrawAd(std::mt19937_64& random, std::vector<std::string>& cells) const;

  // A number in [0, count) that belongs to (what, id) for ever.
  size_t Attribute(std::string_view what, size_t id, size_t count) const;

  uint64_t seed_;
  ZipfDistribution users_;
  ZipfDistribution countries_;
  ZipfDistribution topics_;
  ZipfDistribution ads_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_GENERATE_AD_WORLD_H_
