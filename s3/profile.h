// A profile of the AWS tools' shared files, ~/.aws/credentials and ~/.aws/config.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#ifndef FMSERVE_S3_PROFILE_H_
#define FMSERVE_S3_PROFILE_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "s3/environment.h"

namespace fmserve::s3 {

struct Profile {
  std::string name{};
  bool named = false;  // asked for by name; false: "default", because nobody said otherwise
  bool found = false;  // in either file
  std::map<std::string, std::string> settings{};  // keys in lower case; credentials' file wins

  // Empty when it is not set.
  std::string Get(const std::string& key) const;
};

// Settings of a section of such a file; nothing when there is none. `is_config`: sections are
// called "profile x" but for "default". Unindented `key = value` lines alone count.
struct SectionSettings {
  bool found = false;
  std::map<std::string, std::string> settings{};
};
SectionSettings ParseSection(std::string_view text, const std::string& profile, bool is_config);

// Reads the files anew. `name`: empty for AWS_PROFILE or "default". A missing file is an empty one;
// other errors of ReadFile come back as they are.
absl::StatusOr<Profile> LoadProfile(const std::string& name, const Environment& environment);

}  // namespace fmserve::s3

#endif  // FMSERVE_S3_PROFILE_H_
