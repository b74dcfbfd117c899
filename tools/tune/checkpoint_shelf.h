// Which checkpoints of paused trials a search keeps: they save time, and nothing depends on them.
#ifndef FMSERVE_TOOLS_TUNE_CHECKPOINT_SHELF_H_
#define FMSERVE_TOOLS_TUNE_CHECKPOINT_SHELF_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace fmserve::tools {

// Keeps the best trial's and, up to a limit of bytes, those of other trials that may go on, the
// best first; removes the files of all others. One thread at a time.
class CheckpointShelf {
 public:
  // Files lie in `folder`. `last_rung`: trials that have done it do not go on.
  CheckpointShelf(std::string folder, uint64_t limit_bytes, uint32_t last_rung);

  std::string PathOf(uint32_t trial) const;

  // Of a trial that has done `rung`; the smaller the loss, the better; nothing: it has diverged.
  void Put(uint32_t trial, uint32_t rung, std::optional<double> loss);

  // Removes all but that of the best trial.
  void KeepBest();

 private:
  struct Kept {
    uint32_t rung = 0;
    double loss = 0.0;
    uint64_t bytes = 0;
  };

  void Tidy();
  void Remove(uint32_t trial) const;

  std::string folder_;
  uint64_t limit_bytes_;
  uint32_t last_rung_;
  std::map<uint32_t, Kept> kept_;  // by trial
};

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_TUNE_CHECKPOINT_SHELF_H_
