// A file that may take several runs to write, and has its name when it is complete.
//
//   <path>.partial   what is there so far
//   <path>.journal   a JSON object of what it is made from; then, one line each, how far it was:
//                    "<users> <bytes>", written when these bytes are on the disk
//
// Whoever is killed leaves both; the next run cuts the partial file where the last line of the
// journal says, and goes on.
#ifndef FMSERVE_TOOLS_TOPK_RESUMABLE_OUTPUT_H_
#define FMSERVE_TOOLS_TOPK_RESUMABLE_OUTPUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::tools {

// What the content is made from, as (option, value) pairs.
using OutputIdentity = std::vector<std::pair<std::string, std::string>>;

// Movable; one thread. Errors name the path.
class ResumableOutput {
 public:
  // Goes on with what an interrupted run of the same identity left. With `restart`, or when nothing
  // was left, it begins anew. FailedPrecondition: what was left has another identity, and the
  // message names the options that differ. Unavailable: another process is writing it.
  static absl::StatusOr<ResumableOutput> Open(const std::string& path,
                                              const OutputIdentity& identity, bool restart);

  ResumableOutput(ResumableOutput&& other) noexcept { *this = std::move(other); }
  ResumableOutput& operator=(ResumableOutput&& other) noexcept;
  ResumableOutput(const ResumableOutput&) = delete;
  ResumableOutput& operator=(const ResumableOutput&) = delete;
  ~ResumableOutput();

  // Whose results are in the file, as of the last Commit.
  uint64_t users() const { return users_; }
  bool empty() const { return bytes_ == 0; }

  absl::Status Append(std::string_view text);

  // All that was appended belongs to the first `users`, and is on the disk when this returns.
  absl::Status Commit(uint64_t users);

  // Gives the file its name, in place of one that has it, and removes the journal. Last.
  absl::Status Finish();

 private:
  ResumableOutput() = default;
  absl::Status Lock();
  absl::Status GoOnOrBegin(const OutputIdentity& identity, bool restart);
  absl::Status Begin(const OutputIdentity& identity);
  absl::Status GoOn(const OutputIdentity& identity, std::string_view journal,
                    uint64_t partial_bytes);

  std::string path_;
  std::string partial_path_;
  std::string journal_path_;
  int partial_ = -1;
  int journal_ = -1;
  uint64_t users_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TOPK_RESUMABLE_OUTPUT_H_
