#include "trainer/schema_yaml.h"

#include <yaml-cpp/yaml.h>

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/input_stream.h"

namespace fmserve::trainer {
namespace {

using model::Field;

// One field of the file and what is known of it beside the Field itself.
struct FieldEntry {
  Field field;
  std::string column;  // empty: as the field
  bool has_mean = false;
  bool has_stddev = false;
};

// Walks over the document. The first problem sticks and is returned at the end.
class Parser {
 public:
  explicit Parser(std::string_view name) : name_(name) {}

  absl::StatusOr<TrainingSchema> Parse(const YAML::Node& root);

 private:
  void Fail(const YAML::Node& where, std::string_view what) {
    if (!status_.ok()) return;
    const int line = where.Mark().line + 1;
    status_ = absl::InvalidArgumentError(absl::StrCat(name_, ":", line, ": ", std::string(what)));
  }

  // Calls visit(key, value) for each entry; false means that it does not know the key.
  template <typename Visit>
  void ReadMap(const YAML::Node& node, const char* what, Visit visit);

  bool SetFieldKey(const std::string& key, const YAML::Node& value, FieldEntry& entry);
  void ReadFields(const YAML::Node& node);
  void AddField(const YAML::Node& node, FieldEntry entry);
  void CheckColumns(const YAML::Node& root);

  void Read(const YAML::Node& node, std::string& text);
  void Read(const YAML::Node& node, bool& value);
  void Read(const YAML::Node& node, double& value);
  void Read(const YAML::Node& node, uint32_t& value);
  void Read(const YAML::Node& node, std::vector<float>& values);
  char ReadCharacter(const YAML::Node& node);
  template <typename Enum>
  Enum ReadName(const YAML::Node& node, Enum last);

  std::string name_;
  absl::Status status_;
  TrainingSchema schema_;
  std::vector<Field> fields_;
};

template <typename Visit>
void Parser::ReadMap(const YAML::Node& node, const char* what, Visit visit) {
  if (!node.IsMap()) return Fail(node, absl::StrCat(what, " must be a map of 'key: value'"));
  std::set<std::string> keys;
  for (const auto& entry : node) {
    std::string key;
    Read(entry.first, key);
    if (!status_.ok()) return;
    if (!keys.insert(key).second) Fail(entry.first, absl::StrCat("'", key, "' is given twice"));
    if (!visit(key, entry.second)) {
      Fail(entry.first,
           absl::StrCat(what, " has no key ", model::Quote(key), "; see docs/schema.md"));
    }
  }
}

void Parser::Read(const YAML::Node& node, std::string& text) {
  if (!node.IsScalar() || node.Scalar().empty()) return Fail(node, "a text is expected here");
  text = node.Scalar();
}

void Parser::Read(const YAML::Node& node, bool& value) {
  value = node.IsScalar() && node.Scalar() == "true";
  if (!value && (!node.IsScalar() || node.Scalar() != "false")) {
    Fail(node, "true or false is expected here");
  }
}

void Parser::Read(const YAML::Node& node, double& value) {
  const std::optional<double> number =
      node.IsScalar() ? model::ParseNumber(node.Scalar()) : std::nullopt;
  if (!number.has_value()) return Fail(node, "a number is expected here");
  value = *number;
}

void Parser::Read(const YAML::Node& node, uint32_t& value) {
  const std::optional<int64_t> number =
      node.IsScalar() ? model::ParseInteger(node.Scalar()) : std::nullopt;
  if (!number.has_value() || *number < 0 || *number > UINT32_MAX) {
    return Fail(node, "a whole number from 0 to 4294967295 is expected here");
  }
  value = static_cast<uint32_t>(*number);
}

void Parser::Read(const YAML::Node& node, std::vector<float>& values) {
  if (!node.IsSequence()) return Fail(node, "a list such as [18, 25, 35] is expected here");
  for (const YAML::Node& element : node) {
    double value = 0.0;
    Read(element, value);
    values.push_back(static_cast<float>(value));
  }
}

char Parser::ReadCharacter(const YAML::Node& node) {
  std::string text;
  Read(node, text);
  if (text.size() == 1 && text != "\n" && text != "\r" && text != "\"") return text[0];
  Fail(node, "one character is expected here, not a quote and not a line end");
  return 0;
}

// Enumerations are numbered from 0 to `last` and print as their Name().
template <typename Enum>
Enum Parser::ReadName(const YAML::Node& node, Enum last) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const std::string name(Name(Enum{static_cast<uint8_t>(i)}));
    if (node.IsScalar() && node.Scalar() == name) return Enum{static_cast<uint8_t>(i)};
    absl::StrAppend(&names, i == 0 ? "" : ", ", name);
  }
  Fail(node, absl::StrCat("one of these is expected here: ", names));
  return last;
}

bool Parser::SetFieldKey(const std::string& key, const YAML::Node& value, FieldEntry& entry) {
  Field& field = entry.field;
  if (key == "name") {
    Read(value, field.name);
  } else if (key == "column") {
    Read(value, entry.column);
  } else if (key == "kind") {
    field.kind = ReadName(value, model::FieldKind::kDenseVector);
  } else if (key == "side") {
    field.side = ReadName(value, model::Side::kItem);
  } else if (key == "value_type") {
    field.value_type = ReadName(value, model::ValueType::kInteger);
  } else if (key == "combiner") {
    field.combiner = ReadName(value, model::Combiner::kMean);
  } else if (key == "weighted") {
    Read(value, field.weighted);
  } else if (key == "min_count") {
    Read(value, field.min_count);
  } else if (key == "transform") {
    field.transform = ReadName(value, model::Transform::kLogSquare);
  } else if (key == "boundaries") {
    Read(value, field.boundaries);
  } else if (key == "mean") {
    Read(value, field.mean);
    entry.has_mean = true;
  } else if (key == "stddev") {
    Read(value, field.stddev);
    entry.has_stddev = true;
  } else if (key == "dimension") {
    Read(value, field.dimension);
  } else {
    return false;
  }
  return true;
}

void Parser::AddField(const YAML::Node& node, FieldEntry entry) {
  if (!status_.ok()) return;
  if (entry.has_mean != entry.has_stddev) {
    Fail(node, "mean and stddev are given both or, to have them measured, neither");
  }
  // Alone, so that the problem gets the line of the field.
  if (const auto alone = model::FeatureSchema::Create({entry.field}); !alone.ok()) {
    Fail(node, std::string(alone.status().message()));
  }
  if (entry.field.transform == model::Transform::kStandardise && !entry.has_mean) {
    schema_.fields_to_measure.push_back(fields_.size());
  }
  schema_.columns.push_back(entry.column.empty() ? entry.field.name : std::move(entry.column));
  fields_.push_back(std::move(entry.field));
}

void Parser::ReadFields(const YAML::Node& node) {
  if (!node.IsSequence()) return Fail(node, "'fields' must be a list, one '- name: …' per field");
  for (const YAML::Node& element : node) {
    FieldEntry entry;
    ReadMap(element, "a field", [&](const std::string& key, const YAML::Node& value) {
      return SetFieldKey(key, value, entry);
    });
    AddField(element, std::move(entry));
  }
}

void Parser::CheckColumns(const YAML::Node& root) {
  std::set<std::string> columns;
  if (!schema_.label_column.empty()) columns.insert(schema_.label_column);
  if (!schema_.weight_column.empty() && !columns.insert(schema_.weight_column).second)
    Fail(root["weight"], "the label is a column of its own");
  for (const std::string& column : schema_.columns) {
    if (columns.insert(column).second) continue;
    Fail(root["fields"],
         absl::StrCat("column '", column, "' is used twice, by two fields or by a field ",
                      "and the label or the weight"));
  }
}

absl::StatusOr<TrainingSchema> Parser::Parse(const YAML::Node& root) {
  ReadMap(root, "a schema", [this](const std::string& key, const YAML::Node& value) {
    if (key == "task") {
      schema_.task = ReadName(value, model::Task::kRegression);
    } else if (key == "format") {
      schema_.format = ReadName(value, TableFormat::kLibffm);
    } else if (key == "label") {
      Read(value, schema_.label_column);
    } else if (key == "weight") {
      Read(value, schema_.weight_column);
    } else if (key == "separator") {
      schema_.separator = ReadCharacter(value);
    } else if (key == "list_separator") {
      schema_.list_separator = ReadCharacter(value);
    } else if (key == "fields") {
      ReadFields(value);
    } else {
      return false;
    }
    return true;
  });
  if (status_.ok() && fields_.empty()) Fail(root, "'fields' is missing");
  if (status_.ok()) CheckColumns(root);
  if (!status_.ok()) return status_;
  absl::StatusOr<model::FeatureSchema> features = model::FeatureSchema::Create(std::move(fields_));
  if (!features.ok()) Fail(root["fields"], std::string(features.status().message()));
  if (!status_.ok()) return status_;
  schema_.features = *std::move(features);
  return std::move(schema_);
}

}  // namespace

std::string_view Name(TableFormat format) {
  switch (format) {
    case TableFormat::kTsv:
      return "tsv";
    case TableFormat::kCsv:
      return "csv";
    case TableFormat::kLibsvm:
      return "libsvm";
    case TableFormat::kLibffm:
      return "libffm";
  }
  return "unknown";
}

absl::StatusOr<TrainingSchema> ParseSchemaYaml(std::string_view yaml, std::string_view name) {
  if (yaml.size() > kMaxSchemaBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), ": a schema has at most ", kMaxSchemaBytes, " bytes"));
  }
  try {
    absl::StatusOr<TrainingSchema> schema = Parser(name).Parse(YAML::Load(std::string(yaml)));
    if (schema.ok()) schema->yaml = yaml;
    return schema;
  } catch (const YAML::Exception& error) {  // only for what is not YAML at all
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), ":", error.mark.line + 1, ": ", error.msg));
  }
}

absl::StatusOr<TrainingSchema> ReadSchemaYaml(const std::string& path) {
  absl::StatusOr<std::unique_ptr<InputStream>> input = InputStream::Open(path);
  if (!input.ok()) return input.status();
  std::string yaml(kMaxSchemaBytes + 1, '\0');
  size_t size = 0;
  while (size < yaml.size()) {
    const absl::StatusOr<size_t> count = (*input)->Read(std::span(yaml).subspan(size));
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    size += *count;
  }
  yaml.resize(size);
  return ParseSchemaYaml(yaml, path);
}

}  // namespace fmserve::trainer
