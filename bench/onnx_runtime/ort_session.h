// ONNX Runtime through the C API of a shared library that is loaded at run time: it is no package
// of Debian 12, and a build does not need it. One thread.
#ifndef FMSERVE_BENCH_ONNX_RUNTIME_ORT_SESSION_H_
#define FMSERVE_BENCH_ONNX_RUNTIME_ORT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fmserve::bench {

// The loaded library and its environment.
class OrtLibrary {
 public:
  // NotFound when `path` cannot be loaded, Unimplemented when it is no ONNX Runtime of version 1.14
  // or later. Lives as long as the process.
  static absl::StatusOr<const OrtLibrary*> Load(const std::string& path);

  const std::string& version() const { return version_; }

 private:
  friend class OrtTensor;
  friend class OrtModel;

  // The function at `index` of the table of functions, whose order never changes
  // (onnxruntime_c_api.h).
  template <typename Function>
  Function Get(size_t index) const {
    return reinterpret_cast<Function>(functions_[index]);
  }
  absl::Status ToStatus(void* ort_status) const;

  void* const* functions_ = nullptr;
  void* environment_ = nullptr;
  void* memory_info_ = nullptr;
  std::string version_;
};

// A tensor over memory that the caller keeps alive.
class OrtTensor {
 public:
  static absl::StatusOr<OrtTensor> Create(const OrtLibrary& library,
                                          std::span<const int32_t> values,
                                          std::span<const int64_t> dims);
  static absl::StatusOr<OrtTensor> Create(const OrtLibrary& library, std::span<float> values,
                                          std::span<const int64_t> dims);

 private:
  friend class OrtModel;
  static absl::StatusOr<OrtTensor> Create(const OrtLibrary& library, void* bytes, size_t size_bytes,
                                          std::span<const int64_t> dims, int element_type);
  std::shared_ptr<void> value_;
};

// A session with every optimisation of the graph, computing in the calling thread alone.
class OrtModel {
 public:
  static absl::StatusOr<OrtModel> Create(const OrtLibrary& library, std::string_view model_bytes,
                                         std::vector<const char*> input_names,
                                         const char* output_name);

  // Computes `output` in place. As many inputs as there are input names, in their order.
  absl::Status Run(std::span<const OrtTensor> inputs, const OrtTensor& output) const;

 private:
  const OrtLibrary* library_ = nullptr;
  std::vector<const char*> input_names_;
  const char* output_name_ = nullptr;
  std::shared_ptr<void> session_;
};

}  // namespace fmserve::bench

#endif  // FMSERVE_BENCH_ONNX_RUNTIME_ORT_SESSION_H_
