// The folder where a server keeps its own copies of one model's files: private inodes, so that
// nobody can truncate or change what is mapped, and enough to serve from when the store is gone.
//
//   00000000000000000007.fmw   weights that passed every gate; they got this name when they had
//   00000000000000000002.fmc   a catalogue that did, and has been folded with weights
//   00000000000000000008.fmw.partial-0123456789abcdef   what could be fetched of a version so far
//   state.json                 ModelState
//   history.jsonl              HistoryFile
//   .lock                      one server per cache
#ifndef FMSERVE_LOADER_CACHE_H_
#define FMSERVE_LOADER_CACHE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/cache_state.h"
#include "loader/file_util.h"
#include "model/checkpoint.h"

namespace fmserve::loader {

// Every change is whole or not there, also after kill -9. Holds the folder's lock. The methods are
// safe from several threads as long as no two of them concern the same file.
class Cache {
 public:
  // Creates the folder if it is missing, locks it and removes what a killed server left half-done.
  // Unavailable when another server uses it.
  static absl::StatusOr<Cache> Open(std::string folder);

  // The state as it was saved, with `cached` corrected to what lies there in full size. A state
  // that is missing or broken is empty, but for the files: better to serve what once was good than
  // nothing.
  absl::StatusOr<ModelState> LoadState(const std::string& model) const;
  absl::Status SaveState(const ModelState& state) const;

  // Where the file of a version lies or is to lie.
  std::string Path(Artifact artifact, uint64_t version) const;

  // Where the beginning of a file is kept until it is whole. Another one for another fingerprint or
  // manifest, so that what lies there is the beginning of this very file.
  std::string PartialPath(Artifact artifact, const Manifest& manifest,
                          std::string_view fingerprint) const;

  // Removes the partial files of the artifact, but for `kept`, and gives their blocks back in
  // steps.
  absl::Status RemovePartialFiles(Artifact artifact, const std::string& kept,
                                  model::Checkpoint checkpoint) const;

  const std::string& folder() const { return folder_; }

  // DetachFile: a mapping of the file stays valid.
  absl::StatusOr<FileDescriptor> Detach(Artifact artifact, uint64_t version) const;

 private:
  Cache(std::string folder, FolderLock lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}

  std::string folder_;
  FolderLock lock_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_CACHE_H_
