// What the fuzz targets of the readers of trainer/import/ share.
#ifndef FMSERVE_TESTS_FUZZ_IMPORT_FUZZ_H_
#define FMSERVE_TESTS_FUZZ_IMPORT_FUZZ_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trainer/import/readers.h"

namespace fmserve::trainer {

inline void Require(bool holds) {
  if (!holds) std::abort();
}

// Whatever bytes come, the reader refuses them, saying where and why, or what it returns is what
// imported_model.h promises.
inline int FuzzReader(ImportFormat format, const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<ImportedModel> model = ReadModel(format, bytes);
  if (!model.ok()) {
    Require(model.status().code() == absl::StatusCode::kInvalidArgument);
    Require(model.status().message().find("byte ") != absl::string_view::npos);
    return 0;
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  Require(model->rows() > 0 && model->k >= 1 && model->k <= model::kMaxK);
  Require(model->v.size() == model->rows() * model->k && std::isfinite(model->w0));
  Require(std::ranges::all_of(model->w, finite) && std::ranges::all_of(model->v, finite));
  Require(model->ids.empty() || model->ids.size() == model->rows());
  Require(std::ranges::is_sorted(model->ids));
  Require(model->names.empty() || model->names.size() == model->rows());
  Require(model->features.empty() || model->features.size() == model->rows());
  return 0;
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TESTS_FUZZ_IMPORT_FUZZ_H_
