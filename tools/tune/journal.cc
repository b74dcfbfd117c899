#include "tools/tune/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

constexpr const char* kKind = "fm tune journal 1";
constexpr uint64_t kMaxJournalBytes = uint64_t{256} << 20;

absl::Status JournalError(const std::string& path, std::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", std::string(what)));
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t size = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return JournalError(path, "read");
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kMaxJournalBytes)
      return absl::InvalidArgumentError(absl::StrCat(path, ": too large for a journal"));
  }
}

Json ResultJson(const trainer::TrialResult& result) {
  return {{"trial", result.job.trial},
          {"rung", result.job.rung},
          {"epochs", result.epochs},
          {"best_epoch", result.best_epoch},
          {"metric", result.metric ? Json(*result.metric) : Json(nullptr)},
          {"seconds", result.seconds}};
}

// Throws Json::exception when it is none.
trainer::TrialResult ResultOf(const Json& json) {
  trainer::TrialResult result;
  result.job = {.trial = json.at("trial").get<uint32_t>(), .rung = json.at("rung").get<uint32_t>()};
  result.epochs = json.at("epochs").get<uint32_t>();
  result.best_epoch = json.at("best_epoch").get<uint32_t>();
  if (!json.at("metric").is_null()) result.metric = json.at("metric").get<double>();
  result.seconds = json.at("seconds").get<double>();
  return result;
}

Json PublishedJson(const PublishedTrial& published) {
  return {{"published", published.version},
          {"store", published.store},
          {"model", published.model},
          {"trial", published.trial},
          {"epochs", published.epochs}};
}

PublishedTrial PublishedOf(const Json& json) {
  return {.store = json.at("store").get<std::string>(),
          .model = json.at("model").get<std::string>(),
          .trial = json.at("trial").get<uint32_t>(),
          .epochs = json.at("epochs").get<uint32_t>(),
          .version = json.at("published").get<uint64_t>()};
}

}  // namespace

Journal& Journal::operator=(Journal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(results_, other.results_);
  std::swap(published_, other.published_);
  return *this;
}

Journal::~Journal() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Journal> Journal::Open(const std::string& path, const SearchIdentity& identity) {
  Journal journal;
  journal.path_ = path;
  if (absl::Status status = journal.Lock(); !status.ok()) return status;
  const absl::StatusOr<std::string> text = ReadAll(journal.fd_, path);
  if (!text.ok()) return text.status();
  // Without a whole first line nothing was begun.
  const bool begun = text->find('\n') != std::string::npos;
  absl::Status status = begun ? journal.GoOn(identity, *text) : journal.Begin(identity);
  if (!status.ok()) return status;
  return journal;
}

absl::Status Journal::Lock() {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) return JournalError(path_, "open");
  // A file system without locks (Lustre, as some mount it) says so by another error.
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(path_, ": another process searches here; wait for it to end"));
}

absl::Status Journal::Begin(const SearchIdentity& identity) {
  Json head = {{"kind", kKind}};
  for (const auto& [name, value] : identity) head["of"][name] = value;
  if (ftruncate(fd_, 0) != 0) return JournalError(path_, "truncate");
  if (absl::Status status = Append(head.dump()); !status.ok()) return status;
  std::string folder = std::filesystem::path(path_).parent_path();
  if (folder.empty()) folder = ".";
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : JournalError(folder, "sync");
  if (fd >= 0) close(fd);
  return status;
}

absl::Status Journal::GoOn(const SearchIdentity& identity, std::string_view text) {
  size_t end = text.find('\n');
  const Json head = Json::parse(text.substr(0, end), nullptr, false);
  if (!head.is_object() || head.value("kind", Json()) != kKind || !head.contains("of") ||
      !head["of"].is_object())
    return absl::InvalidArgumentError(absl::StrCat(path_, ": not the journal of a search"));
  std::vector<std::string> differences;
  for (const auto& [name, value] : identity) {
    if (head["of"].value(name, Json()) != value) differences.push_back(name);
  }
  if (!differences.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " was begun with something else as ", absl::StrJoin(differences, ", "),
                     "; run with the same to go on with it, or give another --out"));
  }
  size_t good = end + 1;
  // What follows a line that is none was never acted on: it can only be a power failure's.
  while ((end = text.find('\n', good)) != std::string_view::npos &&
         TakeLine(text.substr(good, end - good))) {
    good = end + 1;
  }
  if (ftruncate(fd_, static_cast<off_t>(good)) != 0) return JournalError(path_, "truncate");
  return absl::OkStatus();
}

bool Journal::TakeLine(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    if (json.contains("published")) {
      published_.push_back(PublishedOf(json));
    } else {
      const trainer::TrialResult result = ResultOf(json);
      results_.try_emplace({result.job.trial, result.job.rung}, result);
    }
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

const trainer::TrialResult* Journal::Find(const trainer::TrialJob& job) const {
  const auto it = results_.find({job.trial, job.rung});
  return it == results_.end() ? nullptr : &it->second;
}

absl::Status Journal::Add(const trainer::TrialResult& result) {
  const auto [it, added] = results_.try_emplace({result.job.trial, result.job.rung}, result);
  return added ? Append(ResultJson(result).dump()) : absl::OkStatus();
}

std::optional<uint64_t> Journal::FindPublished(const PublishedTrial& published) const {
  for (const PublishedTrial& done : published_) {
    if (done.store == published.store && done.model == published.model &&
        done.trial == published.trial && done.epochs == published.epochs) {
      return done.version;
    }
  }
  return std::nullopt;
}

absl::Status Journal::AddPublished(const PublishedTrial& published) {
  published_.push_back(published);
  return Append(PublishedJson(published).dump());
}

absl::Status Journal::Append(std::string_view line) {
  const std::string text = absl::StrCat(std::string(line), "\n");
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(fd_, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return JournalError(path_, "write");
    done += static_cast<size_t>(written);
  }
  return fdatasync(fd_) == 0 ? absl::OkStatus() : JournalError(path_, "sync");
}

}  // namespace fmserve::tools
