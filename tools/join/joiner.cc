#include "tools/join/joiner.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmserve/v1/log.pb.h"
#include "model/text.h"
#include "tools/join/click_table.h"
#include "tools/join/item_table.h"
#include "tools/join/row_builder.h"
#include "tools/join/row_writer.h"
#include "tools/join/value_names.h"
#include "tools/log/log_reader.h"
#include "trainer/schema_yaml.h"

namespace fmserve::tools {
namespace {

constexpr int64_t kForgivenUs = 1'000'000;  // that a click may come before the answer

// Of Predict and TopK, what is alike: who was asked, and which items stand behind those candidates
// that came with features.
struct LoggedCall {
  const v1::PackedFeatures* packed = nullptr;  // null: the friendly form
  const v1::Features* features = nullptr;
  const v1::ItemIds* items = nullptr;
  const std::string* model = nullptr;
  const std::string* request_id = nullptr;
  size_t lists_count = 0;
  size_t scored_count = 0;
  size_t candidates_count = 0;
};

size_t CountOf(const v1::ItemIds& items) {
  return static_cast<size_t>(items.integers_size()) + static_cast<size_t>(items.strings_size());
}

LoggedCall LoggedCallOf(const v1::PredictionRecord& record) {
  LoggedCall call;
  const auto set = [&call](const auto& request, const auto& response) {
    if (request.has_packed()) call.packed = &request.packed();
    call.features = &request.features();
    call.model = &response.model();
    call.request_id = &response.request_id();
  };
  if (record.has_top_k_response()) {
    set(record.top_k_request(), record.top_k_response());
    call.items = &record.top_k_response().ids();
    call.scored_count = call.candidates_count = CountOf(*call.items);
    return call;
  }
  const v1::PredictRequest& request = record.predict_request();
  set(request, record.predict_response());
  call.items = &request.items();
  call.lists_count =
      static_cast<size_t>(call.packed != nullptr ? call.packed->candidate_lengths_size()
                                                 : call.features->candidates_size());
  call.candidates_count = call.lists_count + CountOf(*call.items);
  call.scored_count = record.predict_response().scored_count();
  return call;
}

class Joiner {
 public:
  Joiner(const JoinOptions& options, const trainer::TrainingSchema& schema)
      : options_(options), schema_(schema), names_(schema.features), row_(schema, &names_) {}

  absl::Status Open();
  absl::Status ReadLog(const std::string& path, const std::function<void(uint64_t)>& progress);
  absl::StatusOr<JoinReport> Finish();

 private:
  absl::Status AddRecord(const v1::PredictionRecord& record,
                         const std::vector<std::string>& field_names);
  absl::Status CheckModel(const std::string& model);
  absl::Status CheckFields(const std::vector<std::string>& names);
  absl::Status AddRows(const LoggedCall& call, const std::set<size_t>& clicked,
                       const std::optional<std::set<size_t>>& shown);
  absl::StatusOr<bool> SetItemCells(const LoggedCall& call, size_t item);

  // Which candidates of the call these clicks are of, when they came in time.
  std::set<size_t> Matches(const LoggedCall& call, std::span<Click> clicks, uint64_t time_us);
  std::optional<size_t> FindItem(const LoggedCall& call, uint64_t key);
  uint64_t ItemKeyOf(const v1::ItemIds& items, size_t i) const;

  // Keys of the ids of candidates that came with features, "" has none.
  std::optional<uint64_t> ListItemKey(const LoggedCall& call, size_t candidate, size_t begin) const;

  const JoinOptions& options_;
  const trainer::TrainingSchema& schema_;
  ItemKeys item_keys_;
  std::optional<size_t> id_field_;
  std::optional<ItemTable> items_;
  ValueNames names_;
  std::optional<ClickTable> clicks_;
  std::optional<ClickTable> shown_;
  std::optional<RowWriter> writer_;
  RowBuilder row_;
  std::string model_;
  std::vector<std::string> checked_names_;
  JoinReport report_;
};

absl::Status Joiner::Open() {
  if (!options_.id_field.empty()) {
    id_field_ = schema_.features.Find(options_.id_field);
    if (!id_field_.has_value() ||
        schema_.features.field(*id_field_).kind != model::FieldKind::kCategorical ||
        schema_.features.field(*id_field_).side != model::Side::kItem) {
      return absl::InvalidArgumentError(
          absl::StrCat("--id ", options_.id_field, ": is no categorical field of the item side"));
    }
    item_keys_ = ItemKeys(schema_.features, *id_field_);
  }
  for (const std::string& path : options_.weights) {
    if (absl::Status status = names_.AddWeights(path); !status.ok()) return status;
  }
  for (const std::string& path : options_.values) {
    if (absl::Status status = names_.AddTable(path); !status.ok()) return status;
  }
  if (!options_.items.empty()) {
    if (!id_field_.has_value())
      return absl::InvalidArgumentError("--items: needs --id, the field of the items' ids");
    absl::StatusOr<ItemTable> items = ItemTable::Read(options_.items, schema_, *id_field_);
    if (!items.ok()) return items.status();
    items_ = *std::move(items);
  }
  absl::StatusOr<ClickTable> clicks = ClickTable::Read(options_.clicks, item_keys_);
  if (!clicks.ok()) return clicks.status();
  clicks_ = *std::move(clicks);
  report_.clicks = clicks_->all().size();
  if (!options_.shown.empty()) {
    absl::StatusOr<ClickTable> shown = ClickTable::Read(options_.shown, item_keys_);
    if (!shown.ok()) return shown.status();
    shown_ = *std::move(shown);
  }
  absl::StatusOr<RowWriter> writer = RowWriter::Create(options_.out, schema_);
  if (!writer.ok()) return writer.status();
  writer_.emplace(*std::move(writer));
  return absl::OkStatus();
}

absl::Status Joiner::CheckModel(const std::string& model) {
  if (model_.empty()) model_ = model;
  if (model_ == model) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the log has several models, ",
                                                 model::Quote(model_), " and ", model::Quote(model),
                                                 "; name one with --model"));
}

absl::Status Joiner::CheckFields(const std::vector<std::string>& names) {
  if (names == checked_names_) return absl::OkStatus();
  checked_names_ = names;
  for (size_t i = 0; i < std::min(names.size(), schema_.features.size()); ++i) {
    if (names[i] == schema_.features.field(i).name) continue;
    return absl::InvalidArgumentError(absl::StrCat("the schema is not the model's: its field ", i,
                                                   " is '", schema_.features.field(i).name,
                                                   "', the model's '", names[i], "'"));
  }
  return absl::OkStatus();
}

absl::Status Joiner::ReadLog(const std::string& path,
                             const std::function<void(uint64_t)>& progress) {
  absl::StatusOr<LogReader> reader = LogReader::Open(path);
  if (!reader.ok()) return reader.status();
  ++report_.files;
  v1::PredictionRecord record;
  for (;;) {
    const absl::StatusOr<bool> more = reader->Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (absl::Status status = AddRecord(record, reader->field_names()); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat(reader->Where(), ": ", std::string(status.message())));
    }
    if (++report_.records % 1024 == 0) progress(report_.records);
  }
  report_.cut_off_files += reader->cut_off() ? 1 : 0;
  return absl::OkStatus();
}

absl::Status Joiner::AddRecord(const v1::PredictionRecord& record,
                               const std::vector<std::string>& field_names) {
  const LoggedCall call = LoggedCallOf(record);
  if (!options_.model.empty() && *call.model != options_.model) return absl::OkStatus();
  if (absl::Status status = CheckModel(*call.model); !status.ok()) return status;
  if (absl::Status status = CheckFields(field_names); !status.ok()) return status;
  const absl::Time served = absl::FromUnixMicros(static_cast<int64_t>(record.time_unix_us()));
  const std::set<size_t> clicked =
      Matches(call, clicks_->Find(*call.request_id), record.time_unix_us());
  if (served + options_.window > options_.complete_until) {
    ++report_.open_records;
    return absl::OkStatus();
  }
  std::optional<std::set<size_t>> shown;
  if (shown_.has_value())
    shown = Matches(call, shown_->Find(*call.request_id), record.time_unix_us());
  row_.Clear(model::Side::kContext);
  absl::Status status = call.packed != nullptr
                            ? row_.Add(*call.packed, 0, call.packed->context_length())
                            : row_.Add(call.features->context());
  return status.ok() ? AddRows(call, clicked, shown) : status;
}

std::set<size_t> Joiner::Matches(const LoggedCall& call, std::span<Click> clicks,
                                 uint64_t time_us) {
  std::set<size_t> candidates;
  const int64_t window_us = absl::ToInt64Microseconds(options_.window);
  for (Click& click : clicks) {
    const std::optional<size_t> candidate =
        click.is_item ? FindItem(call, click.candidate) : std::optional(click.candidate);
    if (!candidate.has_value() || *candidate >= call.candidates_count) continue;
    click.matched = true;
    if (click.time_us != kNoTime) {
      const int64_t after_us = click.time_us - static_cast<int64_t>(time_us);
      if (after_us < -kForgivenUs || after_us > window_us) {
        click.outside = true;
        continue;
      }
    }
    click.outside = false;
    candidates.insert(*candidate);
  }
  return candidates;
}

uint64_t Joiner::ItemKeyOf(const v1::ItemIds& items, size_t i) const {
  if (i < static_cast<size_t>(items.integers_size()))
    return item_keys_.OfInteger(static_cast<int64_t>(items.integers(static_cast<int>(i))));
  return item_keys_.OfText(items.strings(static_cast<int>(i))).value_or(0);
}

std::optional<uint64_t> Joiner::ListItemKey(const LoggedCall& call, size_t candidate,
                                            size_t begin) const {
  if (call.packed != nullptr) {
    const v1::PackedFeatures& packed = *call.packed;
    const size_t end = begin + packed.candidate_lengths(static_cast<int>(candidate));
    for (size_t i = begin; i < std::min(end, packed.fields().size()); ++i) {
      if (static_cast<uint8_t>(packed.fields()[i]) == *id_field_)
        return packed.keys(static_cast<int>(i));
    }
    return std::nullopt;
  }
  for (const v1::Feature& feature :
       call.features->candidates(static_cast<int>(candidate)).features()) {
    if (feature.field() != options_.id_field) continue;
    if (feature.strings_size() > 0) return item_keys_.OfText(feature.strings(0));
    if (feature.integers_size() > 0) return item_keys_.OfInteger(feature.integers(0));
    if (feature.numbers_size() > 0)
      return item_keys_.OfInteger(static_cast<int64_t>(feature.numbers(0)));
  }
  return std::nullopt;
}

std::optional<size_t> Joiner::FindItem(const LoggedCall& call, uint64_t key) {
  if (id_field_.has_value()) {
    size_t begin = call.packed != nullptr ? call.packed->context_length() : 0;
    for (size_t i = 0; i < call.lists_count; ++i) {
      if (ListItemKey(call, i, begin) == key) return i;
      if (call.packed != nullptr) begin += call.packed->candidate_lengths(static_cast<int>(i));
    }
  }
  for (size_t i = 0; i < CountOf(*call.items); ++i) {
    if (ItemKeyOf(*call.items, i) == key) return call.lists_count + i;
  }
  return std::nullopt;
}

// Fills in the item's side from the table; false when that lacks it.
absl::StatusOr<bool> Joiner::SetItemCells(const LoggedCall& call, size_t item) {
  if (!items_.has_value()) {
    return absl::InvalidArgumentError(
        "the request names items by ids; give --items, the table of the items, and --id, the field "
        "of their ids");
  }
  const std::vector<std::string>* cells = items_->Find(ItemKeyOf(*call.items, item));
  if (cells == nullptr) return false;
  for (size_t field = 0; field < cells->size(); ++field) {
    if (schema_.features.field(field).side == model::Side::kItem)
      row_.SetCell(field, (*cells)[field]);
  }
  return true;
}

absl::Status Joiner::AddRows(const LoggedCall& call, const std::set<size_t>& clicked,
                             const std::optional<std::set<size_t>>& shown) {
  size_t begin = call.packed != nullptr ? call.packed->context_length() : 0;
  for (size_t i = 0; i < call.candidates_count; ++i) {
    const size_t first = begin;
    size_t length = 0;
    if (call.packed != nullptr && i < call.lists_count)
      begin += length = call.packed->candidate_lengths(static_cast<int>(i));
    if (shown.has_value() && !shown->contains(i)) continue;
    if (i >= call.scored_count) {
      ++report_.unscored;
      continue;
    }
    row_.Clear(model::Side::kItem);
    if (i >= call.lists_count) {
      const absl::StatusOr<bool> found = SetItemCells(call, i - call.lists_count);
      if (!found.ok()) return found.status();
      if (!*found) {
        ++report_.unknown_items;
        continue;
      }
    } else {
      absl::Status status =
          call.packed != nullptr
              ? row_.Add(*call.packed, first, length)
              : row_.Add(call.features->candidates(static_cast<int>(i)).features());
      if (!status.ok()) return status;
    }
    const bool label = clicked.contains(i);
    const absl::StatusOr<bool> written =
        row_.unwritable() ? absl::StatusOr<bool>(false) : writer_->Write(label, row_.cells());
    if (!written.ok()) return written.status();
    report_.rows += *written ? 1 : 0;
    report_.positives += *written && label ? 1 : 0;
    report_.unwritable += *written ? 0 : 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<JoinReport> Joiner::Finish() {
  for (const Click& click : clicks_->all()) {
    report_.unmatched_clicks += click.matched ? 0 : 1;
    report_.clicks_outside_window += click.matched && click.outside ? 1 : 0;
  }
  report_.unnamed_values = names_.unnamed_count();
  if (report_.rows == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are no rows: of ", report_.records, " records, the windows of ",
                     report_.open_records, " end after the clicks do (--complete-until)"));
  }
  if (absl::Status status = writer_->Commit(); !status.ok()) return status;
  return report_;
}

}  // namespace

absl::StatusOr<JoinReport> Join(const JoinOptions& options,
                                const std::function<void(uint64_t records)>& progress) {
  const absl::StatusOr<std::vector<std::string>> files = FindLogFiles(options.predictions);
  if (!files.ok()) return files.status();
  const absl::StatusOr<trainer::TrainingSchema> schema = trainer::ReadSchemaYaml(options.schema);
  if (!schema.ok()) return schema.status();
  Joiner joiner(options, *schema);
  if (absl::Status status = joiner.Open(); !status.ok()) return status;
  for (const std::string& file : *files) {
    if (absl::Status status = joiner.ReadLog(file, progress); !status.ok()) return status;
  }
  return joiner.Finish();
}

}  // namespace fmserve::tools
