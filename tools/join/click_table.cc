#include "tools/join/click_table.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/input_stream.h"
#include "trainer/line_reader.h"
#include "trainer/split.h"

namespace fmserve::tools {
namespace {

constexpr double kMaxUnixSeconds = 1e11;  // the year 5138
constexpr size_t kMaxClicks = size_t{1} << 30;

void SetId(std::string_view request_id, Click* click) {
  const XXH128_hash_t hash = XXH3_128bits(request_id.data(), request_id.size());
  click->id_high = hash.high64;
  click->id_low = hash.low64;
}

// Where the columns stand in a line.
struct Columns {
  std::optional<size_t> request_id;
  std::optional<size_t> position;
  std::optional<size_t> item;
  std::optional<size_t> time;
};

std::string_view Cell(const std::vector<std::span<char>>& cells, std::optional<size_t> column) {
  if (!column.has_value()) return "";
  return {cells[*column].data(), cells[*column].size()};
}

absl::StatusOr<Columns> ReadHeader(const std::vector<std::span<char>>& cells) {
  Columns columns;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string_view name(cells[i].data(), cells[i].size());
    if (name == "request_id") columns.request_id = i;
    if (name == "position") columns.position = i;
    if (name == "item") columns.item = i;
    if (name == "time") columns.time = i;
  }
  if (!columns.request_id.has_value())
    return absl::InvalidArgumentError("the header has no column 'request_id'");
  if (!columns.position.has_value() && !columns.item.has_value())
    return absl::InvalidArgumentError("the header has no column 'position' and none 'item'");
  return columns;
}

absl::StatusOr<Click> ReadClick(const std::vector<std::span<char>>& cells, const Columns& columns,
                                const ItemKeys& items) {
  Click click;
  const std::string_view request_id = Cell(cells, columns.request_id);
  if (request_id.empty()) return absl::InvalidArgumentError("request_id is empty");
  SetId(request_id, &click);
  const std::string_view position = Cell(cells, columns.position);
  if (!position.empty()) {
    const std::optional<int64_t> value = model::ParseInteger(position);
    if (!value.has_value() || *value < 0)
      return absl::InvalidArgumentError(
          absl::StrCat("position ", model::Quote(position), " is no whole number from 0"));
    click.candidate = static_cast<uint64_t>(*value);
  } else {
    const std::string_view item = Cell(cells, columns.item);
    const std::optional<uint64_t> key = item.empty() ? std::nullopt : items.OfText(item);
    if (!key.has_value())
      return absl::InvalidArgumentError(absl::StrCat("there is no position, and item ",
                                                     model::Quote(item),
                                                     " is no value of the field of ids"));
    click.candidate = *key;
    click.is_item = true;
  }
  if (columns.time.has_value()) {
    const std::optional<absl::Time> time = ParseTime(Cell(cells, columns.time));
    if (!time.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("time ", model::Quote(Cell(cells, columns.time)),
                       " is neither seconds since 1970 nor as in 2026-11-23T10:00:00Z"));
    }
    click.time_us = absl::ToUnixMicros(*time);
  }
  return click;
}

}  // namespace

std::optional<uint64_t> ItemKeys::OfText(std::string_view text) const {
  if (!integer_) return model::ValueKey(seed_, text);
  const std::optional<int64_t> value = model::ParseInteger(text);
  if (!value.has_value()) return std::nullopt;
  return model::ValueKey(seed_, *value);
}

uint64_t ItemKeys::OfInteger(int64_t value) const {
  if (integer_) return model::ValueKey(seed_, value);
  return model::ValueKey(seed_, std::string_view(std::to_string(value)));
}

std::optional<absl::Time> ParseTime(std::string_view text) {
  if (const std::optional<double> seconds = model::ParseNumber(text); seconds.has_value()) {
    if (!(std::abs(*seconds) <= kMaxUnixSeconds)) return std::nullopt;
    return absl::UnixEpoch() + absl::Seconds(*seconds);
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, std::string(text), &time, &error)) return std::nullopt;
  return time;
}

absl::StatusOr<ClickTable> ClickTable::Read(const std::string& path, const ItemKeys& items) {
  absl::StatusOr<std::unique_ptr<trainer::InputStream>> input = trainer::InputStream::Open(path);
  if (!input.ok()) return input.status();
  trainer::LineReader reader(path, *std::move(input));
  const auto here = [&reader](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat(reader.Where(), ": ", std::string(status.message())));
  };
  ClickTable table;
  std::optional<Columns> columns;
  size_t columns_count = 0;
  std::span<char> line;
  std::vector<std::span<char>> cells;
  for (;;) {
    const absl::StatusOr<bool> more = reader.Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (line.empty()) continue;
    trainer::SplitPlain(line, '\t', &cells);
    if (!columns.has_value()) {
      const absl::StatusOr<Columns> found = ReadHeader(cells);
      if (!found.ok()) return here(found.status());
      columns = *found;
      columns_count = cells.size();
      continue;
    }
    if (cells.size() != columns_count) {
      return here(absl::InvalidArgumentError(
          absl::StrCat("the line has ", cells.size(), " columns, the header has ", columns_count)));
    }
    const absl::StatusOr<Click> click = ReadClick(cells, *columns, items);
    if (!click.ok()) return here(click.status());
    if (table.clicks_.size() == kMaxClicks)
      return here(absl::InvalidArgumentError("more than 2^30 rows; join the logs day by day"));
    table.clicks_.push_back(*click);
  }
  if (!columns.has_value())
    return absl::InvalidArgumentError(path +
                                      ": the file is empty; the first line names the columns");
  table.has_times_ = columns->time.has_value();
  std::stable_sort(table.clicks_.begin(), table.clicks_.end(),
                   [](const Click& a, const Click& b) { return a.id() < b.id(); });
  return table;
}

std::span<Click> ClickTable::Find(std::string_view request_id) {
  Click wanted;
  SetId(request_id, &wanted);
  const auto [begin, end] =
      std::equal_range(clicks_.begin(), clicks_.end(), wanted,
                       [](const Click& a, const Click& b) { return a.id() < b.id(); });
  return {begin, end};
}

}  // namespace fmserve::tools
