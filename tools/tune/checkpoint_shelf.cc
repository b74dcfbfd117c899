#include "tools/tune/checkpoint_shelf.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

namespace fmserve::tools {
namespace {

uint64_t BytesOfFile(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

}  // namespace

CheckpointShelf::CheckpointShelf(std::string folder, uint64_t limit_bytes, uint32_t last_rung)
    : folder_(std::move(folder)), limit_bytes_(limit_bytes), last_rung_(last_rung) {}

std::string CheckpointShelf::PathOf(uint32_t trial) const {
  return absl::StrFormat("%s/trial-%05d.ckpt", folder_, trial);
}

void CheckpointShelf::Put(uint32_t trial, uint32_t rung, std::optional<double> loss) {
  if (loss) {
    kept_[trial] = {.rung = rung, .loss = *loss, .bytes = BytesOfFile(PathOf(trial))};
  } else {
    kept_.erase(trial);
    Remove(trial);
  }
  Tidy();
}

void CheckpointShelf::Tidy() {
  std::set<std::pair<double, uint32_t>> by_loss;
  for (const auto& [trial, kept] : kept_) by_loss.emplace(kept.loss, trial);
  uint64_t kept_bytes = 0;
  bool best = true;
  for (const auto& [loss, trial] : by_loss) {
    const Kept& kept = kept_[trial];
    const bool goes_on = kept.rung < last_rung_ && kept_bytes + kept.bytes <= limit_bytes_;
    if (best || goes_on) {
      kept_bytes += kept.bytes;
    } else {
      kept_.erase(trial);
      Remove(trial);
    }
    best = false;
  }
}

void CheckpointShelf::KeepBest() {
  limit_bytes_ = 0;
  Tidy();
}

void CheckpointShelf::Remove(uint32_t trial) const {
  std::error_code ignored;  // what stays only takes room
  std::filesystem::remove(PathOf(trial), ignored);
}

}  // namespace fmserve::tools
