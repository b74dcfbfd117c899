#include "tools/tune/search_space.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text.h"
#include "tools/train_report.h"
#include "tools/tune/trial_options.h"

namespace fmserve::tools {
namespace {

constexpr int kMaxDrawsPerTrial = 1000;

// Walks over the document. The first problem sticks and is returned at the end.
class SpaceParser {
 public:
  explicit SpaceParser(std::string_view name) : name_(name) {}

  absl::StatusOr<SearchSpace> Parse(const YAML::Node& root) {
    if (!root.IsMap() || root.size() == 0)
      Fail(root, "a map of 'option: values' is expected here, with at least one option");
    std::set<std::string> names;
    for (const auto& entry : root) {
      if (!status_.ok()) return status_;
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (TypeOfTrialOption(name) == OptionType::kUnknown) {
        Fail(entry.first,
             absl::StrCat("no option ", model::Quote(name),
                          " that trials may differ in; there are ", TrialOptionNames()));
      } else if (!names.insert(name).second) {
        Fail(entry.first, absl::StrCat("'", name, "' is given twice"));
      } else {
        Add(name, entry.second);
      }
    }
    CheckKinds(root);
    if (!status_.ok()) return status_;
    return std::move(space_);
  }

 private:
  void Fail(const YAML::Node& where, std::string_view what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(name_, ":", where.Mark().line + 1, ": ", std::string(what)));
  }

  void CheckKinds(const YAML::Node& root) {
    const SearchDimension* of_field_weighted = nullptr;
    for (const SearchDimension& dimension : space_.dimensions) {
      const auto& choices = dimension.choices;
      if (dimension.field_weighted) of_field_weighted = &dimension;
      if (dimension.name == "kind" &&
          std::find(choices.begin(), choices.end(), kFieldWeightedFm) != choices.end()) {
        return;
      }
    }
    if (of_field_weighted != nullptr) {
      Fail(root, absl::StrCat(of_field_weighted->name, ": only of kind: ", kFieldWeightedFm,
                              ", which this space does not have"));
    }
  }

  void Add(const std::string& name, const YAML::Node& node) {
    SearchDimension dimension{
        .name = name, .choices = {}, .field_weighted = IsOfFieldWeighted(name)};
    if (IsSharedByTrials(name) && !node.IsScalar()) {
      return Fail(node, absl::StrCat(name, ": all trials share the rows; give one value"));
    }
    if (node.IsMap()) {
      AddRange(node, dimension);
    } else if (node.IsSequence()) {
      AddChoices(node, dimension);
    } else {
      dimension.choices.push_back(CheckedValue(name, node));
    }
    space_.dimensions.push_back(std::move(dimension));
  }

  void AddChoices(const YAML::Node& node, SearchDimension& dimension) {
    if (node.size() == 0 || node.size() > kMaxChoices) {
      return Fail(node, absl::StrCat(dimension.name, ": a list of 1 to ", kMaxChoices,
                                     " values is expected here"));
    }
    for (const YAML::Node& element : node) {
      const std::string value = CheckedValue(dimension.name, element);
      if (std::find(dimension.choices.begin(), dimension.choices.end(), value) !=
          dimension.choices.end()) {
        Fail(element, absl::StrCat(dimension.name, ": ", value, " is given twice"));
      }
      dimension.choices.push_back(value);
    }
  }

  void AddRange(const YAML::Node& node, SearchDimension& dimension) {
    const std::string& name = dimension.name;
    const OptionType type = TypeOfTrialOption(name);
    if (type == OptionType::kText) {
      return Fail(node, absl::StrCat(name, ": has no range; give a list of values"));
    }
    dimension.whole = type == OptionType::kWholeNumber;
    std::set<std::string> keys;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!keys.insert(key).second) {
        Fail(entry.first, absl::StrCat(name, ": '", key, "' is given twice"));
      } else if (key == "min" || key == "max") {
        const std::string value = CheckedValue(name, entry.second);
        (key == "min" ? dimension.min : dimension.max) =
            model::ParseNumber(value).value_or(std::nan(""));
      } else if (key == "scale") {
        dimension.log_scale = entry.second.IsScalar() && entry.second.Scalar() == "log";
        if (!dimension.log_scale &&
            (!entry.second.IsScalar() || entry.second.Scalar() != "linear")) {
          Fail(entry.second, absl::StrCat(name, ": the scale is log or linear"));
        }
      } else {
        Fail(entry.first, absl::StrCat(name, ": a range has no key ", model::Quote(key),
                                       ", but min, max and scale"));
      }
    }
    if (!keys.contains("min") || !keys.contains("max"))
      return Fail(node, absl::StrCat(name, ": a range has min and max"));
    if (!(dimension.min < dimension.max)) Fail(node, absl::StrCat(name, ": max must be above min"));
    if (dimension.log_scale && !(dimension.min > 0.0))
      Fail(node, absl::StrCat(name, ": min must be above 0 on a logarithmic scale"));
  }

  std::string CheckedValue(const std::string& name, const YAML::Node& node) {
    if (!node.IsScalar()) {
      Fail(node, absl::StrCat(name, ": one value is expected here"));
      return "";
    }
    TrainArguments ignored;
    TrialOptions options;
    if (IsOfFieldWeighted(name)) options.emplace_back("kind", kFieldWeightedFm);
    options.emplace_back(name, node.Scalar());
    const absl::Status status = SetTrialOptions(options, ignored);
    if (!status.ok()) Fail(node, std::string(status.message()));
    return node.Scalar();
  }

  std::string name_;
  absl::Status status_;
  SearchSpace space_;
};

// From 0 to below 1; std::uniform_real_distribution is not the same everywhere.
double Uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

std::string Draw(const SearchDimension& dimension, std::mt19937_64& random) {
  const double u = Uniform(random);
  if (!dimension.choices.empty()) {
    return dimension
        .choices[static_cast<size_t>(u * static_cast<double>(dimension.choices.size()))];
  }
  // A whole number stands for all that is rounded down to it.
  const double above = dimension.whole ? dimension.max + 1.0 : dimension.max;
  const double value = dimension.log_scale ? dimension.min * std::pow(above / dimension.min, u)
                                           : dimension.min + u * (above - dimension.min);
  if (dimension.whole) {
    return absl::StrFormat("%.0f", std::clamp(std::floor(value), dimension.min, dimension.max));
  }
  const std::string text = absl::StrFormat("%.6g", value);
  const double rounded = model::ParseNumber(text).value_or(value);
  const double inside = std::clamp(rounded, dimension.min, dimension.max);
  return inside == rounded ? text : absl::StrFormat("%.17g", inside);
}

}  // namespace

absl::StatusOr<SearchSpace> ParseSearchSpace(std::string_view yaml, std::string_view name) {
  if (yaml.size() > kMaxSpaceBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), ": a search space has at most ", kMaxSpaceBytes, " bytes"));
  }
  try {
    absl::StatusOr<SearchSpace> space = SpaceParser(name).Parse(YAML::Load(std::string(yaml)));
    if (space.ok()) space->yaml = yaml;
    return space;
  } catch (const YAML::Exception& error) {  // only for what is not YAML at all
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), ":", error.mark.line + 1, ": ", error.msg));
  }
}

absl::StatusOr<SearchSpace> ReadSearchSpace(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open() || std::filesystem::is_directory(path))
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  std::string yaml(kMaxSpaceBytes + 1, '\0');
  in.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  yaml.resize(static_cast<size_t>(in.gcount()));
  return ParseSearchSpace(yaml, path);
}

namespace {

TrialOptions DrawTrial(const SearchSpace& space, std::mt19937_64& random) {
  TrialOptions all;
  bool field_weighted = false;
  for (const SearchDimension& dimension : space.dimensions) {
    all.emplace_back(dimension.name, Draw(dimension, random));
    if (dimension.name == "kind") field_weighted = all.back().second == kFieldWeightedFm;
  }
  TrialOptions options;
  for (size_t i = 0; i < all.size(); ++i) {
    if (field_weighted || !space.dimensions[i].field_weighted) options.push_back(std::move(all[i]));
  }
  return options;
}

}  // namespace

std::vector<TrialOptions> DrawTrials(const SearchSpace& space, uint64_t seed, uint32_t trials) {
  std::mt19937_64 random(seed);
  std::set<TrialOptions> drawn;
  std::vector<TrialOptions> all;
  int failures = 0;
  while (all.size() < trials && failures < kMaxDrawsPerTrial) {
    TrialOptions options = DrawTrial(space, random);
    const bool is_new = drawn.insert(options).second;
    failures = is_new ? 0 : failures + 1;
    if (is_new) all.push_back(std::move(options));
  }
  return all;
}

}  // namespace fmserve::tools
