// Who is compared: our kernels, and ONNX Runtime with each form of the graph, on the same model and
// the same requests. Whatever fails here ends the program.
#ifndef FMSERVE_BENCH_ONNX_RUNTIME_CONTESTANTS_H_
#define FMSERVE_BENCH_ONNX_RUNTIME_CONTESTANTS_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/onnx_runtime/fm_graph.h"
#include "bench/onnx_runtime/ort_session.h"
#include "model/row_layout.h"

namespace fmserve::bench {

inline constexpr uint32_t kFactors = 16;
inline constexpr size_t kRequests = 128;  // enough not to find their rows in cache again

[[noreturn]] inline void Die(const absl::Status& status) {
  std::fprintf(stderr, "onnx_runtime_compare: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status());
  return *std::move(value);
}

// The model, for them in columns and for us in rows on 2 MB pages. Random weights.
class Model {
 public:
  explicit Model(int64_t rows);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const FmTables& tables() const { return tables_; }
  const model::RowsView& rows() const { return rows_; }

 private:
  void EncodeRows(size_t rows);

  std::vector<float> w_;
  std::vector<float> v_;
  FmTables tables_;
  model::RowsView rows_;
};

struct Request {
  std::vector<uint32_t> context;
  std::vector<uint32_t> candidates;  // candidate after candidate
};

// kRequests of them, rows drawn evenly.
std::vector<Request> DrawRequests(const RequestShape& shape, int64_t rows);

// Scores the request with this number.
using ScoreFn = std::function<void(size_t number, std::span<float> scores)>;

struct Contestant {
  std::string name;
  ScoreFn score;
  std::vector<double> request_us = {};  // one per repetition
};

// The graphs that compete: all forms, or only the one that a textbook has.
std::vector<GraphForm> AllForms();
std::vector<GraphForm> TextbookForm();

// Ours first, then each form. `model` and `requests` must outlive them.
std::vector<Contestant> MakeContestants(const OrtLibrary& library, const Model& model,
                                        const RequestShape& shape,
                                        const std::vector<GraphForm>& forms,
                                        const std::vector<Request>& requests);

}  // namespace fmserve::bench

#endif  // FMSERVE_BENCH_ONNX_RUNTIME_CONTESTANTS_H_
