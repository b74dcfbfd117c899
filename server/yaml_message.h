// A YAML document as a protobuf message: the message's fields are the keys, nothing else is.
#ifndef FMSERVE_SERVER_YAML_MESSAGE_H_
#define FMSERVE_SERVER_YAML_MESSAGE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace fmserve::server {

// Where each key and list element of a document stands, and what is wrong with it. One thread.
class YamlReport {
 public:
  // `path` is dotted, as in "models[1].gates.max_file_mib"; `line` counts from 1.
  void SetLine(absl::string_view path, int line) { lines_[path] = line; }

  // Records a finding at `path`; one that the document does not name has its parent's line.
  void AddFinding(absl::string_view path, absl::string_view what);
  void AddFindingAtLine(int line, absl::string_view what);

  bool ok() const { return findings_.empty(); }

  // One line per finding, in the order of the document: "<name>:<line>: <what>".
  std::string ToString(absl::string_view document_name) const;

 private:
  struct Finding {
    int line = 0;
    std::string what;
  };

  int LineOf(absl::string_view path) const;

  absl::flat_hash_map<std::string, int> lines_;
  std::vector<Finding> findings_;
};

// Sets the fields of `message` (uint32, bool, double, enum, string, message, repeated string or
// message) that `text` names; values of enums by their names. Reports text that is not YAML, keys
// that are unknown (with the nearest known one) or stand twice, and values of the wrong type; what
// is right is set all the same.
void ParseYaml(const std::string& text, google::protobuf::Message* message, YamlReport* report);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_YAML_MESSAGE_H_
