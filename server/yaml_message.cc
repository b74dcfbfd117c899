#include "server/yaml_message.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "yaml-cpp/yaml.h"

namespace fmserve::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Levenshtein distance, one row of the table at a time.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

absl::string_view NearestKey(const Descriptor& descriptor, absl::string_view key) {
  absl::string_view nearest;
  size_t nearest_distance = SIZE_MAX;
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const absl::string_view name = descriptor.field(i)->name();
    const size_t distance = EditDistance(key, name);
    if (distance < nearest_distance) {
      nearest = name;
      nearest_distance = distance;
    }
  }
  return nearest;
}

std::string NamesOf(const EnumDescriptor& type) {
  std::string names;
  for (int i = 0; i < type.value_count(); ++i)
    absl::StrAppend(&names, i == 0 ? "" : ", ", type.value(i)->name());
  return names;
}

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

std::string Join(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

class MessageReader {
 public:
  explicit MessageReader(YamlReport* report) : report_(report) {}

  void ReadMessage(const YAML::Node& node, const std::string& path, Message* message) {
    if (!node.IsMap()) {
      report_->AddFindingAtLine(LineOf(node), absl::StrCat(path.empty() ? "the document" : path,
                                                           ": has to be a map of keys and values"));
      return;
    }
    absl::flat_hash_map<std::string, int> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      const int line = LineOf(entry.first);
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) {
        report_->AddFindingAtLine(
            line, absl::StrCat(Join(path, key), ": unknown key; the nearest known one is '",
                               NearestKey(*message->GetDescriptor(), key), "'"));
        continue;
      }
      const std::string field_path = Join(path, key);
      if (const auto [first, is_new] = seen.try_emplace(key, line); !is_new) {
        report_->AddFindingAtLine(
            line, absl::StrCat(field_path, ": stands twice, first on line ", first->second));
        continue;
      }
      report_->SetLine(field_path, line);
      ReadField(entry.second, field_path, field, message);
    }
  }

 private:
  void ReadField(const YAML::Node& node, const std::string& path, const FieldDescriptor* field,
                 Message* message) {
    if (!field->is_repeated()) {
      ReadValue(node, path, field, message);
      return;
    }
    if (!node.IsSequence()) {
      report_->AddFinding(path, "has to be a list");
      return;
    }
    for (size_t i = 0; i < node.size(); ++i) {
      const std::string element_path = absl::StrCat(path, "[", i, "]");
      report_->SetLine(element_path, LineOf(node[i]));
      ReadValue(node[i], element_path, field, message);
    }
  }

  void ReadValue(const YAML::Node& node, const std::string& path, const FieldDescriptor* field,
                 Message* message) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const auto* reflection = message->GetReflection();
      ReadMessage(node, path,
                  field->is_repeated() ? reflection->AddMessage(message, field)
                                       : reflection->MutableMessage(message, field));
      return;
    }
    const std::optional<std::string> wanted = SetScalar(node, field, message);
    if (!wanted.has_value()) return;
    const std::string found = node.IsScalar() ? absl::StrCat("'", node.Scalar(), "'")
                              : node.IsNull() ? "nothing"
                                              : "a list or map";
    report_->AddFinding(path, absl::StrCat("has to be ", *wanted, ", found ", found));
  }

  // What the value would have to be, or nothing when it was set.
  static std::optional<std::string> SetScalar(const YAML::Node& node, const FieldDescriptor* field,
                                              Message* message) {
    const auto* reflection = message->GetReflection();
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32: {
        uint32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return "a whole number from 0 to 4294967295";
        reflection->SetUInt32(message, field, value);
        return std::nullopt;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0.0;
        if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return "a number";
        reflection->SetDouble(message, field, value);
        return std::nullopt;
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        if (text != "true" && text != "false") return "true or false";
        reflection->SetBool(message, field, text == "true");
        return std::nullopt;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const EnumValueDescriptor* value = field->enum_type()->FindValueByName(text);
        if (value == nullptr) return absl::StrCat("one of ", NamesOf(*field->enum_type()));
        reflection->SetEnum(message, field, value);
        return std::nullopt;
      }
      default:
        if (!node.IsScalar()) return "a text";
        if (field->is_repeated()) {
          reflection->AddString(message, field, text);
        } else {
          reflection->SetString(message, field, text);
        }
        return std::nullopt;
    }
  }

  YamlReport* report_;
};

}  // namespace

void YamlReport::AddFinding(absl::string_view path, absl::string_view what) {
  AddFindingAtLine(LineOf(path), absl::StrCat(path, ": ", what));
}

void YamlReport::AddFindingAtLine(int line, absl::string_view what) {
  findings_.push_back({line, std::string(what)});
}

int YamlReport::LineOf(absl::string_view path) const {
  while (!path.empty()) {
    if (const auto found = lines_.find(path); found != lines_.end()) return found->second;
    const size_t parent_end = path.find_last_of(".[");
    path = path.substr(0, parent_end == absl::string_view::npos ? 0 : parent_end);
  }
  return 1;
}

std::string YamlReport::ToString(absl::string_view document_name) const {
  std::vector<Finding> sorted = findings_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Finding& a, const Finding& b) { return a.line < b.line; });
  std::string text;
  for (const Finding& finding : sorted) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", document_name, ":", finding.line, ": ",
                    finding.what);
  }
  return text;
}

void ParseYaml(const std::string& text, Message* message, YamlReport* report) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& e) {  // yaml-cpp speaks in exceptions
    report->AddFindingAtLine(e.mark.line + 1, absl::StrCat("not YAML: ", e.msg));
    return;
  }
  if (root.IsNull()) return;
  MessageReader(report).ReadMessage(root, "", message);
}

}  // namespace fmserve::server
