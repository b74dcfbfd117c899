// What a training run leaves on the disk so that it can go on after it was killed.
//
// A file is, in this order: the 8 bytes "fmckpt01"; the length in bytes of the JSON object that
// follows (uint64, little-endian); the object, which tells what is trained of what and the epochs
// so far; all that the learner's epochs have changed (Learner::State); w0, w and v of the best
// epoch, unless that is the last one; the XXH3-128 of everything before. It is read by the build
// that wrote it: a layout that changes gets another number.
#ifndef FMSERVE_TRAINER_CHECKPOINT_H_
#define FMSERVE_TRAINER_CHECKPOINT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/examples.h"
#include "trainer/fit.h"
#include "trainer/learner.h"

namespace fmserve::trainer {

// What is trained of what, as (name, value): the names are for people.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

// 32 hexadecimal digits that change with any label, weight, entry or key.
std::string Fingerprint(const Examples& examples, std::span<const uint64_t> keys = {});

// Options that decide about the result, the examples, and `learner` as it is before its first
// epoch. `valid` may be null.
RunIdentity IdentityOf(const FitOptions& options, const TrainingRows& train, const Examples* valid,
                       Learner& learner);

// Replaces the file at `path` whole or not at all. `so_far` ends in the epoch that the learner has
// just done, and has not diverged. Errors of the system name the path.
absl::Status WriteCheckpoint(const std::string& path, const RunIdentity& identity,
                             const FitResult& so_far, Learner& learner);

// Nothing when there is no file. Otherwise `learner`, made from the same arguments and still before
// its first epoch, becomes the one that was written; FitResult::parameters are those of the best
// epoch, or empty if that is the last one. FailedPrecondition when the file is of another identity,
// naming what differs, or has more than `max_epochs`; DataLoss when it is damaged. After an error
// the learner is of no use.
absl::StatusOr<std::optional<FitResult>> ReadCheckpoint(const std::string& path,
                                                        const RunIdentity& identity,
                                                        uint32_t max_epochs, Learner& learner);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_CHECKPOINT_H_
