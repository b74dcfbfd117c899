// Checks that a new version must pass before it serves. Each is a pure function with a name; adding
// one means adding a function to gate.cc and a line to its list.
#ifndef FMSERVE_LOADER_GATE_H_
#define FMSERVE_LOADER_GATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "loader/manifest.h"
#include "loader/snapshot.h"

namespace fmserve::loader {

struct GateOptions {
  uint64_t max_file_bytes = uint64_t{16} << 30;
  double golden_tolerance = 1e-4;  // of |score - golden| / max(1, |golden|)
  bool allow_no_goldens = false;
  bool allow_version_decrease = false;
};

struct GateResult {
  bool passed = true;
  std::string_view
      gate;  // the one that failed: "size", "version", "identity", "schema", "finite", "golden"
  std::string detail;  // for an operator: value found, value wanted, where
};

struct GateInput {
  std::string_view model;  // that this slot serves
  uint64_t version = 0;    // that was asked for
  const Snapshot* candidate = nullptr;
  const Snapshot* serving = nullptr;  // null: the first version
  bool operator_asked = false;  // Pin: an operator named this version, so its number may be lower
};

// What a manifest alone can tell, before anything is fetched: size and version. 0: nothing serves
// yet.
GateResult RunManifestGates(const GateOptions& options, const Manifest& manifest,
                            uint64_t serving_version);

// Of a catalogue by itself: size and identity. Whether it fits the weights, folding finds out.
GateResult RunCatalogueGates(const GateOptions& options, std::string_view model, uint64_t version,
                             const model::CatalogueFile& candidate);

// Runs the gates in order, cheapest first, and stops at the first that fails. One thread; reads
// every golden.
GateResult RunGates(const GateOptions& options, const GateInput& input);

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_GATE_H_
