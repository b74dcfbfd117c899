// Checks that a new version must pass before it serves. Each is a pure function with a name; adding
// one means adding a function to gate.cc (gates_of_metadata.cc for what the trainer says) and a
// line to its list.
#ifndef FMSERVE_LOADER_GATE_H_
#define FMSERVE_LOADER_GATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/manifest.h"
#include "loader/snapshot.h"

namespace fmserve::loader {

struct GateOptions {
  uint64_t max_file_bytes = uint64_t{16} << 30;
  double golden_tolerance = 1e-4;  // of |score - golden| / max(1, |golden|)
  bool allow_no_goldens = false;
  bool allow_version_decrease = false;
  uint64_t max_resident_bytes = uint64_t{32} << 30;  // of the weights and the folded catalogue
  uint64_t max_published_ahead_s = 3600;  // in the future: by how much clocks may disagree
  bool refuse_older = false;  // files that were made, or published, before the one that serves
  double max_loss_increase = 0.05;       // of the trainer's loss, relative to the serving version's
  double max_calibration_change = 1.25;  // of the trainer's calibration: ratio, either way
  bool require_metrics = false;  // whether a version without the trainer's metrics is refused
};

struct GateResult {
  bool passed = true;
  std::string_view gate;  // the one that failed: "size", "version", "age", "identity", "schema",
                          // "resident", "metric", "finite", "golden"
  std::string detail;     // for an operator: value found, value wanted, where
};

struct GateInput {
  std::string_view model;  // that this slot serves
  uint64_t version = 0;    // that was asked for
  const Snapshot* candidate = nullptr;
  const Snapshot* serving = nullptr;  // null: the first version
  bool operator_asked = false;  // Pin: an operator named this version, so its number may be lower
};

struct ManifestGateInput {
  const Manifest* manifest = nullptr;
  uint64_t serving_version = 0;            // 0: nothing serves yet
  uint64_t serving_published_unix_us = 0;  // 0: unknown, here and below
  uint64_t now_unix_us = 0;
};

// What a manifest alone can tell, before anything is fetched: version, age and size.
GateResult RunManifestGates(const GateOptions& options, const ManifestGateInput& input);

// Of a catalogue by itself: size and identity. Whether it fits the weights, folding finds out.
GateResult RunCatalogueGates(const GateOptions& options, std::string_view model, uint64_t version,
                             const model::CatalogueFile& candidate);

// Runs the gates in order, cheapest first, and stops at the first that fails. One thread; reads
// every golden. The names of those that passed go to `passed`, unless it is null.
GateResult RunGates(const GateOptions& options, const GateInput& input,
                    std::vector<std::string_view>* passed = nullptr);

// Of weights and catalogue together: what they need in memory.
GateResult RunFoldedGates(const GateOptions& options, const Snapshot& folded);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_GATE_H_
