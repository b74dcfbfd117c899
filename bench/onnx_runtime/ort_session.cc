#include "bench/onnx_runtime/ort_session.h"

#include <dlfcn.h>

#include <array>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace fmserve::bench {
namespace {

// Positions in OrtApi, and the values of its enumerations.
enum Function : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetSessionGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kCreateTensorWithDataAsOrtValue = 49,
  kCreateCpuMemoryInfo = 69,
  kReleaseStatus = 93,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseSessionOptions = 100,
};
constexpr uint32_t kApiVersion = 14;
constexpr int kLogErrors = 3;
constexpr int kArenaAllocator = 1;
constexpr int kDefaultMemory = 0;
constexpr int kEnableAllOptimizations = 99;
constexpr int kFloatTensor = 1;
constexpr int kInt32Tensor = 6;

struct ApiBase {
  void* const* (*get_api)(uint32_t version);
  const char* (*get_version)();
};

using Status = void*;  // null: no error
using Release = void (*)(void*);

}  // namespace

absl::Status OrtLibrary::ToStatus(void* ort_status) const {
  if (ort_status == nullptr) return absl::OkStatus();
  const std::string message = Get<const char* (*)(void*)>(kGetErrorMessage)(ort_status);
  Get<Release>(kReleaseStatus)(ort_status);
  return absl::InternalError(absl::StrCat("ONNX Runtime ", version_, ": ", message));
}

absl::StatusOr<const OrtLibrary*> OrtLibrary::Load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return absl::NotFoundError(dlerror());
  const auto get_base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) {
    return absl::UnimplementedError(absl::StrCat(path, " is no ONNX Runtime: no OrtGetApiBase"));
  }
  static OrtLibrary library;
  library.version_ = get_base()->get_version();
  library.functions_ = get_base()->get_api(kApiVersion);
  if (library.functions_ == nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        path, ": version ", library.version_, " is too old; its API ", kApiVersion, " is needed"));
  }
  absl::Status status = library.ToStatus(library.Get<Status (*)(int, const char*, void**)>(
      kCreateEnv)(kLogErrors, "fmserve", &library.environment_));
  if (!status.ok()) return status;
  status = library.ToStatus(library.Get<Status (*)(int, int, void**)>(kCreateCpuMemoryInfo)(
      kArenaAllocator, kDefaultMemory, &library.memory_info_));
  if (!status.ok()) return status;
  return &library;
}

absl::StatusOr<OrtTensor> OrtTensor::Create(const OrtLibrary& library, void* bytes,
                                            size_t size_bytes, std::span<const int64_t> dims,
                                            int element_type) {
  using CreateTensor = Status (*)(const void*, void*, size_t, const int64_t*, size_t, int, void**);
  void* value = nullptr;
  absl::Status status = library.ToStatus(library.Get<CreateTensor>(kCreateTensorWithDataAsOrtValue)(
      library.memory_info_, bytes, size_bytes, dims.data(), dims.size(), element_type, &value));
  if (!status.ok()) return status;
  OrtTensor tensor;
  tensor.value_ = {value, library.Get<Release>(kReleaseValue)};
  return tensor;
}

absl::StatusOr<OrtTensor> OrtTensor::Create(const OrtLibrary& library,
                                            std::span<const int32_t> values,
                                            std::span<const int64_t> dims) {
  // Inputs are not written to, though the API has no const.
  return Create(library, const_cast<int32_t*>(values.data()), values.size_bytes(), dims,
                kInt32Tensor);
}

absl::StatusOr<OrtTensor> OrtTensor::Create(const OrtLibrary& library, std::span<float> values,
                                            std::span<const int64_t> dims) {
  return Create(library, values.data(), values.size_bytes(), dims, kFloatTensor);
}

absl::StatusOr<OrtModel> OrtModel::Create(const OrtLibrary& library, std::string_view model_bytes,
                                          std::vector<const char*> input_names,
                                          const char* output_name) {
  using SetInt = Status (*)(void*, int);
  using CreateSession = Status (*)(const void*, const void*, size_t, const void*, void**);
  void* raw_options = nullptr;
  absl::Status status =
      library.ToStatus(library.Get<Status (*)(void**)>(kCreateSessionOptions)(&raw_options));
  if (!status.ok()) return status;
  const std::shared_ptr<void> options(raw_options, library.Get<Release>(kReleaseSessionOptions));
  status = library.ToStatus(library.Get<SetInt>(kSetSessionGraphOptimizationLevel)(
      options.get(), kEnableAllOptimizations));
  if (!status.ok()) return status;
  status = library.ToStatus(library.Get<SetInt>(kSetIntraOpNumThreads)(options.get(), 1));
  if (!status.ok()) return status;
  void* session = nullptr;
  status = library.ToStatus(library.Get<CreateSession>(kCreateSessionFromArray)(
      library.environment_, model_bytes.data(), model_bytes.size(), options.get(), &session));
  if (!status.ok()) return status;
  OrtModel model;
  model.library_ = &library;
  model.input_names_ = std::move(input_names);
  model.output_name_ = output_name;
  model.session_ = {session, library.Get<Release>(kReleaseSession)};
  return model;
}

absl::Status OrtModel::Run(std::span<const OrtTensor> inputs, const OrtTensor& output) const {
  using RunSession = Status (*)(void*, const void*, const char* const*, const void* const*, size_t,
                                const char* const*, size_t, void**);
  std::array<const void*, 2> values = {};
  assert(inputs.size() == input_names_.size() && inputs.size() <= values.size());
  for (size_t i = 0; i < inputs.size(); ++i) values[i] = inputs[i].value_.get();
  void* result = output.value_.get();
  return library_->ToStatus(
      library_->Get<RunSession>(kRun)(session_.get(), /*run_options=*/nullptr, input_names_.data(),
                                      values.data(), inputs.size(), &output_name_, 1, &result));
}

}  // namespace fmserve::bench
