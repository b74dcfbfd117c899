#include "tools/load/requests.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/feature_encoder.h"
#include "model/feature_list.h"
#include "trainer/row_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

using fmserve::v1::PackedFeatures;
using model::Field;
using model::FieldKind;
using model::Side;
using model::ValueType;

// Cells were checked by FeatureEncoder when the log was read, so that they parse here.
template <typename Number>
Number Parse(std::string_view text) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Calls visit(part) for the parts of a list cell, empty ones included.
template <typename Visit>
void ForEachPart(std::string_view cell, Visit visit) {
  for (;;) {
    const size_t end = cell.find('|');
    visit(cell.substr(0, end));
    if (end == std::string_view::npos) return;
    cell.remove_prefix(end + 1);
  }
}

// Calls visit(value, weight) for each value of a categorical or multi-valued cell.
template <typename Visit>
void ForEachValue(const Field& field, std::string_view cell, Visit visit) {
  if (field.kind == FieldKind::kCategorical) return visit(cell, 1.0F);
  ForEachPart(cell, [&](std::string_view value) {
    const size_t colon = field.weighted ? value.rfind(':') : std::string_view::npos;
    if (value.empty()) return;
    if (colon == std::string_view::npos) {
      visit(value, 1.0F);
    } else {
      visit(value.substr(0, colon), Parse<float>(value.substr(colon + 1)));
    }
  });
}

bool IsSent(const Field& field, Side side, std::string_view cell) {
  return field.side == side && !cell.empty();
}

// docs/clients.md in code: one column entry per value, nothing for missing fields. Returns the
// entries added.
uint32_t AppendPacked(const model::FeatureSchema& schema, Side side, const Cells& row,
                      PackedFeatures* packed) {
  const int before = packed->keys_size();
  for (size_t f = 0; f < schema.size(); ++f) {
    const Field& field = schema.field(f);
    if (!IsSent(field, side, row[f])) continue;
    const auto add = [&](uint64_t key, float value) {
      packed->mutable_fields()->push_back(static_cast<char>(f));
      packed->add_keys(key);
      packed->add_values(value);
    };
    if (field.kind == FieldKind::kNumeric) {
      add(0, static_cast<float>(Parse<double>(row[f])));
    } else if (field.kind == FieldKind::kDenseVector) {
      uint64_t dimension = 0;
      ForEachPart(row[f], [&](std::string_view x) { add(dimension++, Parse<float>(x)); });
    } else {
      ForEachValue(field, row[f], [&](std::string_view value, float weight) {
        add(field.value_type == ValueType::kInteger
                ? model::ValueKey(schema.seed(f), Parse<int64_t>(value))
                : model::ValueKey(schema.seed(f), value),
            weight);
      });
    }
  }
  return static_cast<uint32_t>(packed->keys_size() - before);
}

template <typename Add>
void AppendFeatures(const model::FeatureSchema& schema, Side side, const Cells& row,
                    Add add_feature) {
  for (size_t f = 0; f < schema.size(); ++f) {
    const Field& field = schema.field(f);
    if (!IsSent(field, side, row[f])) continue;
    fmserve::v1::Feature* feature = add_feature();
    feature->set_field(field.name);
    if (field.kind == FieldKind::kNumeric) {
      feature->add_numbers(Parse<double>(row[f]));
    } else if (field.kind == FieldKind::kDenseVector) {
      ForEachPart(row[f], [&](std::string_view x) { feature->add_numbers(Parse<float>(x)); });
    } else {
      ForEachValue(field, row[f], [&](std::string_view value, float weight) {
        if (field.value_type == ValueType::kInteger) {
          feature->add_integers(Parse<int64_t>(value));
        } else {
          feature->add_strings(std::string(value));
        }
        if (field.weighted) feature->add_weights(weight);
      });
    }
  }
}

void BuildPacked(const ClickLog& log, const RequestPlan& plan, PackedFeatures* packed) {
  packed->set_context_length(
      AppendPacked(log.schema, Side::kContext, log.contexts[plan.context], packed));
  for (size_t item : plan.items) {
    packed->add_candidate_lengths(AppendPacked(log.schema, Side::kItem, log.items[item], packed));
  }
  const auto& values = packed->values();
  if (std::all_of(values.begin(), values.end(), [](float x) { return x == 1.0F; }))
    packed->clear_values();
}

void BuildFeatures(const ClickLog& log, const RequestPlan& plan, fmserve::v1::Features* features) {
  AppendFeatures(log.schema, Side::kContext, log.contexts[plan.context],
                 [&] { return features->add_context(); });
  for (size_t item : plan.items) {
    fmserve::v1::Candidate* candidate = features->add_candidates();
    AppendFeatures(log.schema, Side::kItem, log.items[item],
                   [&] { return candidate->add_features(); });
  }
}

absl::Status Encode(const model::FeatureSchema& schema, Side side, const Cells& row,
                    model::FeatureList* out) {
  std::vector<std::string_view> cells(row.begin(), row.end());
  cells.resize(schema.size());  // fields that later versions appended are missing in older logs
  return model::FeatureEncoder(schema, out).AddRow(side, cells);
}

// Both sides, so that a row that a server would refuse is refused here, by line and field.
absl::Status CheckRow(const model::FeatureSchema& schema, const Cells& row,
                      model::FeatureList* scratch) {
  scratch->Clear();
  absl::Status status = Encode(schema, Side::kContext, row, scratch);
  if (status.ok()) status = Encode(schema, Side::kItem, row, scratch);
  return status;
}

std::string ItemText(const model::FeatureSchema& schema, const Cells& row) {
  std::string text;
  for (size_t f = 0; f < schema.size(); ++f) {
    if (schema.field(f).side == Side::kItem) absl::StrAppend(&text, row[f], "\t");
  }
  return text;
}

}  // namespace

absl::StatusOr<ClickLog> ReadClickLog(const std::string& schema_path, const std::string& data_path,
                                      size_t max_rows) {
  const auto schema = trainer::ReadSchemaYaml(schema_path);
  if (!schema.ok()) return schema.status();
  const auto reader = trainer::RowReader::Open(data_path, *schema, trainer::Labels::kOptional);
  if (!reader.ok()) return reader.status();

  ClickLog log{.schema = schema->features, .contexts = {}, .items = {}};
  absl::flat_hash_set<std::string> seen_items;
  model::FeatureList scratch;
  trainer::Row row;
  while (log.contexts.size() < max_rows) {
    const absl::StatusOr<bool> more = (*reader)->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) break;
    Cells cells(row.cells.begin(), row.cells.end());
    if (absl::Status status = CheckRow(log.schema, cells, &scratch); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat((*reader)->Where(), ": ", status.message()));
    }
    if (seen_items.insert(ItemText(log.schema, cells)).second) log.items.push_back(cells);
    log.contexts.push_back(std::move(cells));
  }
  if (log.contexts.empty())
    return absl::InvalidArgumentError(absl::StrCat(data_path, ": holds no rows"));
  std::shuffle(log.items.begin(), log.items.end(), std::mt19937_64(1));
  return log;
}

RequestPlan PlanRequest(const ClickLog& log, size_t index, size_t candidates) {
  RequestPlan plan{.context = index % log.contexts.size(), .items = {}};
  plan.items.reserve(candidates);
  for (size_t c = 0; c < candidates; ++c) {
    plan.items.push_back((index * candidates + c) % log.items.size());
  }
  return plan;
}

fmserve::v1::PredictRequest BuildRequest(const ClickLog& log, const RequestPlan& plan,
                                         RequestForm form) {
  fmserve::v1::PredictRequest request;
  if (form == RequestForm::kPacked) {
    BuildPacked(log, plan, request.mutable_packed());
  } else {
    BuildFeatures(log, plan, request.mutable_features());
  }
  return request;
}

absl::StatusOr<size_t> FindIdField(const model::FeatureSchema& schema, const std::string& name) {
  for (size_t f = 0; f < schema.size(); ++f) {
    const Field& field = schema.field(f);
    if (field.name != name) continue;
    if (field.side == Side::kItem && field.kind == FieldKind::kCategorical) return f;
    return absl::InvalidArgumentError(absl::StrCat(
        "field '", name, "' cannot hold the ids of items: name a categorical field of their side"));
  }
  return absl::NotFoundError(absl::StrCat("the schema has no field '", name, "'"));
}

absl::Status KeepOneItemPerId(size_t id_field, ClickLog* log) {
  absl::flat_hash_set<std::string> seen;
  std::erase_if(log->items, [&](const Cells& row) {
    return row[id_field].empty() || !seen.insert(row[id_field]).second;
  });
  if (!log->items.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("no row has a value of '", log->schema.field(id_field).name, "'"));
}

fmserve::v1::PredictRequest BuildItemsRequest(const ClickLog& log, const RequestPlan& plan,
                                              RequestForm form, size_t id_field) {
  fmserve::v1::PredictRequest request =
      BuildRequest(log, {.context = plan.context, .items = {}}, form);
  const bool integers = log.schema.field(id_field).value_type == ValueType::kInteger;
  for (size_t item : plan.items) {
    const std::string& id = log.items[item][id_field];
    if (integers) {
      request.mutable_items()->add_integers(static_cast<uint64_t>(Parse<int64_t>(id)));
    } else {
      request.mutable_items()->add_strings(id);
    }
  }
  return request;
}

fmserve::v1::TopKRequest BuildTopKRequest(const ClickLog& log, size_t context, RequestForm form,
                                          uint32_t k) {
  fmserve::v1::PredictRequest of_context =
      BuildRequest(log, {.context = context, .items = {}}, form);
  fmserve::v1::TopKRequest request;
  if (form == RequestForm::kPacked) {
    *request.mutable_packed() = std::move(*of_context.mutable_packed());
  } else {
    *request.mutable_features() = std::move(*of_context.mutable_features());
  }
  request.set_k(k);
  return request;
}

absl::StatusOr<std::vector<float>> PredictOffline(const ClickLog& log, const RequestPlan& plan,
                                                  const model::WeightFile& file,
                                                  const model::Scorer& scorer) {
  if (absl::Status status = file.schema().CompatibleWith(log.schema); !status.ok()) return status;
  model::FeatureList context;
  absl::Status status = Encode(file.schema(), Side::kContext, log.contexts[plan.context], &context);
  if (!status.ok()) return status;

  model::FeatureList candidates;
  std::vector<uint32_t> lengths;
  for (size_t item : plan.items) {
    const size_t before = candidates.size();
    status = Encode(file.schema(), Side::kItem, log.items[item], &candidates);
    if (!status.ok()) return status;
    lengths.push_back(static_cast<uint32_t>(candidates.size() - before));
  }

  model::Scratch scratch;
  std::vector<float> predictions(lengths.size());
  scorer.ScoreContext(context.view(), scratch);
  scorer.ScoreCandidates(candidates.view(), lengths, scratch, predictions);
  for (float& prediction : predictions) prediction = static_cast<float>(scorer.Predict(prediction));
  return predictions;
}

}  // namespace fmserve::tools
