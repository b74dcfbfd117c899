// What a search has found out, in a file that survives its process.
//
// JSON lines, only ever appended to: first an object of what is searched with what; then one per
// result, on the disk before anybody acts on it; then one per model that was published. A last line
// that was cut short does not count. Results are a function of what the first line says: which of
// them a later run needs, and in which order, is not the journal's concern.
#ifndef FMSERVE_TOOLS_TUNE_JOURNAL_H_
#define FMSERVE_TOOLS_TUNE_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/search/search.h"

namespace fmserve::tools {

struct PublishedTrial {
  std::string store;
  std::string model;
  uint32_t trial = 0;
  uint32_t epochs = 0;
  uint64_t version = 0;
};

// What the results depend on, as (option, value).
using SearchIdentity = std::vector<std::pair<std::string, std::string>>;

// Movable; one thread. Errors name the path.
class Journal {
 public:
  // Takes the lock and reads what is there, or begins. FailedPrecondition when that has another
  // identity, naming the options that differ; Unavailable when another process has the journal.
  static absl::StatusOr<Journal> Open(const std::string& path, const SearchIdentity& identity);

  Journal(Journal&& other) noexcept { *this = std::move(other); }
  Journal& operator=(Journal&& other) noexcept;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  size_t size() const { return results_.size(); }

  // Null if there is none. Valid until the next Add.
  const trainer::TrialResult* Find(const trainer::TrialJob& job) const;

  // On the disk when it returns. A job that has a result keeps it.
  absl::Status Add(const trainer::TrialResult& result);

  // The version as which this model of a search was published there, if it was.
  std::optional<uint64_t> FindPublished(const PublishedTrial& published) const;
  absl::Status AddPublished(const PublishedTrial& published);

 private:
  Journal() = default;
  absl::Status Lock();
  absl::Status Begin(const SearchIdentity& identity);
  absl::Status GoOn(const SearchIdentity& identity, std::string_view text);
  bool TakeLine(std::string_view line);
  absl::Status Append(std::string_view line);

  std::string path_;
  int fd_ = -1;
  std::map<std::pair<uint32_t, uint32_t>, trainer::TrialResult> results_;  // by trial and rung
  std::vector<PublishedTrial> published_;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_JOURNAL_H_
