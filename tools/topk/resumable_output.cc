#include "tools/topk/resumable_output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/text.h"
#include "tools/json_output.h"

namespace fmserve::tools {
namespace {

constexpr int kReadWrite = O_RDWR | O_CREAT | O_CLOEXEC;

absl::Status SystemError(const std::string& path, std::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", std::string(what)));
}

absl::Status WriteAll(int fd, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadJournal(int fd, const std::string& path) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t size = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError(path, "read");
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
  }
}

// Cuts the file to `bytes` and goes to its end.
absl::Status CutTo(int fd, const std::string& path, uint64_t bytes) {
  const auto size = static_cast<off_t>(bytes);
  if (ftruncate(fd, size) == 0 && lseek(fd, size, SEEK_SET) == size) return absl::OkStatus();
  return SystemError(path, "truncate");
}

absl::Status SyncFolderOf(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : SystemError(folder, "sync");
  if (fd >= 0) close(fd);
  return status;
}

Json IdentityJson(const OutputIdentity& identity) {
  Json json = Json::object();
  for (const auto& [name, value] : identity) json[name] = value;
  return json;
}

// Names of what differs, for people: "--k, --users".
std::string Differences(const Json& ours, const Json& theirs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : ours.items()) {
    if (!theirs.is_object() || !theirs.contains(name) || theirs[name] != value)
      names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

struct JournalLine {
  uint64_t users = 0;
  uint64_t bytes = 0;
};

std::optional<JournalLine> ParseLine(std::string_view line) {
  JournalLine parsed;
  const std::string_view users = model::TakeUntil(' ', line);
  if (!absl::SimpleAtoi(absl::string_view(users.data(), users.size()), &parsed.users) ||
      !absl::SimpleAtoi(absl::string_view(line.data(), line.size()), &parsed.bytes)) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace

ResumableOutput& ResumableOutput::operator=(ResumableOutput&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(partial_path_, other.partial_path_);
  std::swap(journal_path_, other.journal_path_);
  std::swap(partial_, other.partial_);
  std::swap(journal_, other.journal_);
  std::swap(users_, other.users_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ResumableOutput::~ResumableOutput() {
  if (partial_ >= 0) close(partial_);
  if (journal_ >= 0) close(journal_);
}

absl::StatusOr<ResumableOutput> ResumableOutput::Open(const std::string& path,
                                                      const OutputIdentity& identity,
                                                      bool restart) {
  ResumableOutput output;
  output.path_ = path;
  output.partial_path_ = path + ".partial";
  output.journal_path_ = path + ".journal";
  if (absl::Status status = output.Lock(); !status.ok()) return status;
  if (absl::Status status = output.GoOnOrBegin(identity, restart); !status.ok()) return status;
  return output;
}

absl::Status ResumableOutput::Lock() {
  journal_ = open(journal_path_.c_str(), kReadWrite, 0666);
  if (journal_ < 0) return SystemError(journal_path_, "open");
  // A file system without locks (Lustre, as some mount it) says so by another error.
  const bool taken = flock(journal_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  struct stat status {};
  // Without a link it is the journal of a run that finished in between.
  if (!taken && fstat(journal_, &status) == 0 && status.st_nlink > 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(partial_path_, ": another process is writing it; wait for it to end"));
}

absl::Status ResumableOutput::GoOnOrBegin(const OutputIdentity& identity, bool restart) {
  struct stat status {};
  const bool is_there = stat(partial_path_.c_str(), &status) == 0;
  if (restart || !is_there) return Begin(identity);
  const absl::StatusOr<std::string> journal = ReadJournal(journal_, journal_path_);
  if (!journal.ok()) return journal.status();
  return GoOn(identity, *journal, static_cast<uint64_t>(status.st_size));
}

absl::Status ResumableOutput::Begin(const OutputIdentity& identity) {
  // First the journal: a partial file always has one that tells what it is.
  if (absl::Status status = CutTo(journal_, journal_path_, 0); !status.ok()) return status;
  const std::string line = absl::StrCat(IdentityJson(identity).dump(), "\n");
  if (absl::Status status = WriteAll(journal_, journal_path_, line); !status.ok()) return status;
  if (fsync(journal_) != 0) return SystemError(journal_path_, "sync");
  partial_ = open(partial_path_.c_str(), kReadWrite | O_TRUNC, 0666);
  if (partial_ < 0) return SystemError(partial_path_, "open");
  return SyncFolderOf(path_);
}

absl::Status ResumableOutput::GoOn(const OutputIdentity& identity, std::string_view journal,
                                   uint64_t partial_bytes) {
  std::string_view rest = journal;
  const Json theirs = Json::parse(model::TakeUntil('\n', rest), nullptr, false);
  const std::string differences = Differences(IdentityJson(identity), theirs);
  if (!differences.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(partial_path_, " was begun with something else as ", differences,
                     "; run with the same to go on with it, or with --restart to begin anew"));
  }
  size_t journal_bytes = journal.size() - rest.size();
  // A line that was cut short, by a power failure say, does not count.
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::optional<JournalLine> line = ParseLine(rest.substr(0, end));
    if (!line || line->users < users_ || line->bytes < bytes_ || line->bytes > partial_bytes) break;
    users_ = line->users;
    bytes_ = line->bytes;
    journal_bytes += end + 1;
    rest.remove_prefix(end + 1);
  }
  partial_ = open(partial_path_.c_str(), kReadWrite, 0666);
  if (partial_ < 0) return SystemError(partial_path_, "open");
  if (absl::Status status = CutTo(partial_, partial_path_, bytes_); !status.ok()) return status;
  return CutTo(journal_, journal_path_, journal_bytes);
}

absl::Status ResumableOutput::Append(std::string_view text) {
  if (absl::Status status = WriteAll(partial_, partial_path_, text); !status.ok()) return status;
  bytes_ += text.size();
  return absl::OkStatus();
}

absl::Status ResumableOutput::Commit(uint64_t users) {
  if (fdatasync(partial_) != 0) return SystemError(partial_path_, "sync");
  users_ = users;
  return WriteAll(journal_, journal_path_, absl::StrCat(users_, " ", bytes_, "\n"));
}

absl::Status ResumableOutput::Finish() {
  if (fsync(partial_) != 0) return SystemError(partial_path_, "sync");
  if (close(std::exchange(partial_, -1)) != 0) return SystemError(partial_path_, "close");
  if (std::rename(partial_path_.c_str(), path_.c_str()) != 0)
    return SystemError(partial_path_, "rename");
  if (absl::Status status = SyncFolderOf(path_); !status.ok()) return status;
  if (unlink(journal_path_.c_str()) != 0) return SystemError(journal_path_, "remove");
  return absl::OkStatus();
}

}  // namespace fmserve::tools
