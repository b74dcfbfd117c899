#include "s3/profile.h"

#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "s3/encoding.h"
#include "s3/files.h"

namespace fmserve::s3 {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

// "~/x" as the shell would read it.
std::string ExpandHome(const std::string& path, const Environment& environment) {
  if (!absl::StartsWith(path, "~/")) return path;
  return absl::StrCat(environment.variable("HOME"), path.substr(1));
}

// The profile that a "[…]" line begins; empty for sections of another kind.
std::string SectionName(absl::string_view line, bool is_config) {
  absl::string_view name = line.substr(1, line.find(']') - 1);
  name = absl::StripAsciiWhitespace(name);
  if (!is_config || name == "default") return std::string(name);
  if (!absl::ConsumePrefix(&name, "profile")) return "";
  return std::string(absl::StripAsciiWhitespace(name));
}

// What stands before " #" or " ;".
absl::string_view WithoutComment(absl::string_view value) {
  for (const char* const comment : {" #", " ;", "\t#", "\t;"}) {
    value = value.substr(0, value.find(comment));
  }
  return absl::StripAsciiWhitespace(value);
}

absl::StatusOr<SectionSettings> LoadSection(const std::string& path, const std::string& profile,
                                            bool is_config) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return SectionSettings();
  if (!text.ok()) return text.status();
  return ParseSection(*text, profile, is_config);
}

}  // namespace

std::string Profile::Get(const std::string& key) const {
  const auto it = settings.find(key);
  return it == settings.end() ? "" : it->second;
}

SectionSettings ParseSection(std::string_view text, const std::string& profile, bool is_config) {
  SectionSettings section;
  bool inside = false;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    line = absl::StripTrailingAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = line.find(']') != absl::string_view::npos && SectionName(line, is_config) == profile;
      section.found = section.found || inside;
      continue;
    }
    const size_t equals = line.find('=');
    const bool nested = line[0] == ' ' || line[0] == '\t';
    if (!inside || nested || equals == absl::string_view::npos) continue;
    std::string key = absl::AsciiStrToLower(absl::StripAsciiWhitespace(line.substr(0, equals)));
    section.settings[std::move(key)] = std::string(WithoutComment(line.substr(equals + 1)));
  }
  return section;
}

absl::StatusOr<Profile> LoadProfile(const std::string& name, const Environment& environment) {
  const auto path = [&](const char* variable, const char* fallback) {
    const std::string set = environment.variable(variable);
    return ExpandHome(set.empty() ? fallback : set, environment);
  };
  Profile profile{.name = name.empty() ? environment.variable("AWS_PROFILE") : name};
  profile.named = !profile.name.empty();
  if (!profile.named) profile.name = "default";
  auto section = LoadSection(path("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
                             profile.name, /*is_config=*/false);
  if (!section.ok()) return section.status();
  profile.found = section->found;
  profile.settings = std::move(section->settings);
  section = LoadSection(path("AWS_CONFIG_FILE", "~/.aws/config"), profile.name, /*is_config=*/true);
  if (!section.ok()) return section.status();
  profile.found = profile.found || section->found;
  profile.settings.merge(section->settings);  // keeps what is there
  return profile;
}

}  // namespace fmserve::s3
