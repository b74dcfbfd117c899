// The other end of a Source: how a weight file or a catalogue becomes a version of a store.
#ifndef FMSERVE_LOADER_PUBLISHER_H_
#define FMSERVE_LOADER_PUBLISHER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "loader/manifest.h"
#include "model/kernels/kernels.h"
#include "s3/client.h"

namespace fmserve::loader {

struct PublishOptions {
  std::string store;  // folder, created if it is missing, or s3://bucket/prefix
  std::string model;
  double golden_tolerance = 1e-4;  // of weights, as the next
  bool allow_no_goldens = false;
  // Beside weights a delta is left for servers that have kAuto: the version that the manifest
  // names, if its file lies in the store; kFile: `delta_base`, a file of the store that they have.
  // For a store in S3 it is made in PublishScratch, and kAuto fetches that version.
  enum class DeltaFrom : uint8_t { kAuto, kNone, kFile };
  DeltaFrom delta_from = DeltaFrom::kAuto;
  std::string delta_base{};
  // Told why kAuto left no delta although there is a version before; may be empty.
  std::function<void(const absl::Status& why)> without_delta{};
  std::chrono::milliseconds lock_patience{
      10000};              // how long to wait for another publisher of this model; folders alone
  s3::ClientOptions s3{};  // of a store in S3
  std::function<void(uint64_t done_bytes, uint64_t all_bytes)> progress{};  // often; may be empty
};

// Publishes the weight file at `path` as the newest version of a model: verifies it and its
// goldens, copies it to <store>/<model>/<version>.fmw with model name and version stamped into the
// header, leaves a delta when that is less than half of it (kAuto goes without one when anything is
// amiss with it; kFile fails), and writes the manifest last. The version is one above the highest
// that the store holds or names. Whoever dies on the way has published nothing. Unavailable when
// another publisher holds the store for longer than `lock_patience`; InvalidArgument or DataLoss
// when the file is not fit to serve; Aborted when it changed while it was copied, or when another
// publisher, of a store in S3, was faster with a higher version.
absl::StatusOr<Manifest> Publish(const std::string& path, const PublishOptions& options,
                                 const model::KernelTable& kernels);

// The same for a catalogue, in <store>/<model>/catalogue, with version numbers of its own. Whether
// it fits the weights is for the server to find out: it may be made for weights that come later.
absl::StatusOr<Manifest> PublishCatalogue(const std::string& path, const PublishOptions& options);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_PUBLISHER_H_
