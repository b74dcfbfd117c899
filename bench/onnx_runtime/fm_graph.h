// A factorization machine as an ONNX graph, in the forms that an engineer would try. Weights x are
// all 1, which spares these graphs a multiplication that ours does.
#ifndef FMSERVE_BENCH_ONNX_RUNTIME_FM_GRAPH_H_
#define FMSERVE_BENCH_ONNX_RUNTIME_FM_GRAPH_H_

#include <cstdint>
#include <span>
#include <string>

namespace fmserve::bench {

struct FmTables {
  int64_t rows = 0;
  int64_t k = 0;
  float w0 = 0.0F;
  std::span<const float> w;  // rows
  std::span<const float> v;  // rows x k
};

struct RequestShape {
  int64_t context_features = 0;  // 0: there is no context
  int64_t candidates = 0;
  int64_t features_per_candidate = 0;
};

// What is gathered per feature.
enum class GraphTables : uint8_t {
  kTextbook,   // w and v; the sum of squares of each candidate is subtracted (Rendle's identity)
  kFoldedTwo,  // w - |v|^2 / 2 and v: what is subtracted depends on the row alone
  kFoldedOne,  // both side by side in rows of k + 1
};

struct GraphForm {
  GraphTables tables = GraphTables::kTextbook;
  bool feature_major = false;  // ids lie features x candidates, so that sums run over whole planes
};

std::string Name(const GraphForm& form);

// A serialized ONNX model with the tables as initializers. Inputs (int32): "candidates", candidates
// x features or the other way round, and, if there is one, "context". Output (float): "scores". The
// context is summed once.
std::string BuildFmGraph(const FmTables& tables, const RequestShape& shape, const GraphForm& form);

}  // namespace fmserve::bench

#endif  // FMSERVE_BENCH_ONNX_RUNTIME_FM_GRAPH_H_
