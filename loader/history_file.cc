#include "loader/history_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/file_util.h"
#include "loader/json.h"

namespace fmserve::loader {
namespace {

std::string LineOf(const HistoryEvent& event) {
  nlohmann::ordered_json json;
  json["unix_us"] = event.unix_us;
  json["artifact"] = ArtifactName(event.artifact);
  json["version"] = event.version;
  json["step"] = std::string(Name(event.step));
  json["who"] = event.who;
  json["why"] = event.why;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<HistoryEvent> EventOf(std::string_view line) {
  const absl::StatusOr<nlohmann::json> json = ParseJsonObject(line);
  if (!json.ok()) return std::nullopt;
  JsonReader reader(*json);
  const std::string artifact = reader.Text("artifact");
  const std::optional<HistoryStep> step = HistoryStepOf(reader.Text("step"));
  HistoryEvent event{.version = reader.Unsigned("version"),
                     .unix_us = reader.Unsigned("unix_us"),
                     .who = reader.Text("who"),
                     .why = reader.Text("why")};
  const bool catalogue = artifact == ArtifactName(Artifact::kCatalogue);
  const bool known = catalogue || artifact == ArtifactName(Artifact::kWeights);
  if (!reader.status().ok() || !step || !known || event.version == 0) return std::nullopt;
  event.artifact = catalogue ? Artifact::kCatalogue : Artifact::kWeights;
  event.step = *step;
  return event;
}

std::string LinesOf(std::span<const HistoryEvent> events) {
  std::string lines;
  for (const HistoryEvent& event : events) lines += LineOf(event);
  return lines;
}

absl::Status ErrnoStatus(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

}  // namespace

HistoryFile::HistoryFile(const std::string& folder) : path_(folder + "/history.jsonl") {}

absl::StatusOr<std::vector<HistoryEvent>> HistoryFile::Load() {
  std::error_code unknown;
  const uintmax_t size_bytes = std::filesystem::file_size(path_, unknown);
  const absl::StatusOr<std::string> text = ReadSmallFile(
      path_,
      unknown ? 0 : static_cast<size_t>(std::min<uintmax_t>(size_bytes, kMaxHistoryFileBytes)));
  if (absl::IsNotFound(text.status())) return std::vector<HistoryEvent>();
  if (!text.ok() && !absl::IsInvalidArgument(text.status())) return text.status();
  bool damaged = !text.ok();
  std::vector<HistoryEvent> events;
  for (std::string_view rest = text.ok() ? std::string_view(*text) : ""; !rest.empty();) {
    const size_t end = rest.find('\n');
    std::optional<HistoryEvent> event = EventOf(rest.substr(0, end));
    const bool whole = end != std::string_view::npos && event;
    if (whole) events.push_back(*std::move(event));
    damaged = damaged || !whole;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  lines_count_ = events.size();
  if (events.size() > kMaxHistoryEvents)
    events.erase(events.begin(), events.end() - static_cast<ptrdiff_t>(kMaxHistoryEvents));
  if (!damaged) return events;
  if (std::rename(path_.c_str(), (path_ + ".damaged").c_str()) != 0)
    return ErrnoStatus(path_, "set aside");
  if (absl::Status status = Rewrite(events); !status.ok()) return status;
  return events;
}

absl::Status HistoryFile::Append(std::span<const HistoryEvent> events) {
  const FileDescriptor file(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.get() < 0) return ErrnoStatus(path_, "open");
  struct stat before = {};
  if (fstat(file.get(), &before) != 0) return ErrnoStatus(path_, "stat");
  const std::string lines = LinesOf(events);
  size_t written_bytes = 0;
  while (written_bytes < lines.size()) {
    const ssize_t count =
        write(file.get(), lines.data() + written_bytes, lines.size() - written_bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      absl::Status status = ErrnoStatus(path_, "write");
      // Should this fail, too, Load leaves out the line that was cut off.
      (void)!ftruncate(file.get(), before.st_size);
      return status;
    }
    written_bytes += static_cast<size_t>(count);
  }
  lines_count_ += events.size();
  return absl::OkStatus();
}

absl::Status HistoryFile::Rewrite(std::span<const HistoryEvent> events) {
  absl::Status status = WriteSmallFile(path_, LinesOf(events));
  if (status.ok()) lines_count_ = events.size();
  return status;
}

}  // namespace fmserve::loader
