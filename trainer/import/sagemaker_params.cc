#include "trainer/import/sagemaker_params.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/text.h"
#include "trainer/import/ndarray_list.h"
#include "trainer/import/numbers.h"

namespace fmserve::trainer {
namespace {

std::string ShapeText(const NdArray& array) {
  return absl::StrCat("(", absl::StrJoin(array.shape, ", "), ")");
}

absl::Status OfArray(const NdArray& array, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(
      "byte ", array.data_offset, ": ", model::Quote(array.name), " ", std::string(reason)));
}

uint64_t ElementsCount(const NdArray& array) {
  return array.type ? array.data.size() / SizeBytes(*array.type) : 0;
}

// The three arrays of a factorization machine, under their newer or their older names.
struct Parts {
  const NdArray* v = nullptr;
  const NdArray* w = nullptr;
  const NdArray* w0 = nullptr;
  bool older = false;
};

absl::StatusOr<Parts> FindParts(const std::vector<NdArray>& arrays) {
  Parts parts;
  const auto find = [&](std::string_view name) {
    const auto it = std::ranges::find(arrays, name, &NdArray::name);
    return it == arrays.end() ? nullptr : &*it;
  };
  parts.v = find("v");
  parts.w = find("w1_weight");
  parts.w0 = find("w0_weight");
  if (parts.w == nullptr && parts.w0 == nullptr) {
    parts.w = find("Linear_Plus_Bias_weight");
    parts.w0 = find("Linear_Plus_Bias_bias");
    parts.older = true;
  }
  if (parts.v == nullptr || parts.w == nullptr || parts.w0 == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "byte 0: not a factorization machine: it should have v, w1_weight and w0_weight, or v, "
        "Linear_Plus_Bias_weight and Linear_Plus_Bias_bias, and has ",
        arrays.empty() ? "nothing"
                       : absl::StrJoin(arrays, ", ", [](std::string* out, const NdArray& array) {
                           absl::StrAppend(out, model::Quote(array.name));
                         })));
  }
  for (const NdArray* array : {parts.v, parts.w, parts.w0}) {
    if (!array->type) return OfArray(*array, "is empty or of integers");
  }
  return parts;
}

struct Layout {
  uint64_t features = 0;
  uint32_t k = 0;
  bool transposed = false;  // v is (k, features)
};

// v has a dimension of features, which meta.json or the other names tell from that of factors.
absl::StatusOr<Layout> FindLayout(const Parts& parts, const SageMakerMeta& meta) {
  const std::vector<uint64_t>& shape = parts.v->shape;
  if (shape.size() != 2) {
    return OfArray(*parts.v,
                   absl::StrCat("has the shape ", ShapeText(*parts.v), ", not two dimensions"));
  }
  Layout layout{.features = meta.features.value_or(parts.older ? shape[1] : shape[0])};
  const bool by_rows = shape[0] == layout.features;
  const bool by_columns = shape[1] == layout.features;
  if (!by_rows && !by_columns) {
    return OfArray(*parts.v, absl::StrCat("has the shape ", ShapeText(*parts.v),
                                          ", but feature_dim is ", layout.features));
  }
  layout.transposed = by_columns && (!by_rows || parts.older);
  const uint64_t factors = layout.transposed ? shape[0] : shape[1];
  if (factors < 1 || factors > model::kMaxK) {
    return OfArray(*parts.v, absl::StrCat("has ", factors, " factors, not 1 to ", model::kMaxK));
  }
  if (meta.factors && *meta.factors != factors) {
    return OfArray(*parts.v,
                   absl::StrCat("has ", factors, " factors, but num_factors is ", *meta.factors));
  }
  if (layout.features < 1 || layout.features > kMaxImportedRows) {
    return OfArray(*parts.v,
                   absl::StrCat("has ", layout.features, " features, not 1 to ", kMaxImportedRows));
  }
  layout.k = static_cast<uint32_t>(factors);
  return layout;
}

absl::Status CheckParts(const Parts& parts, const Layout& layout) {
  if (layout.transposed && parts.v->row_sparse) {
    return OfArray(*parts.v, "has factors that are missing as a whole (row-sparse)");
  }
  const NdArray& w = *parts.w;
  const bool one_per_feature =
      w.row_sparse ? w.shape[0] == layout.features && ElementsCount(w) == w.row_ids.size()
                   : ElementsCount(w) == layout.features;
  if (!one_per_feature) {
    return OfArray(w, absl::StrCat("has the shape ", ShapeText(w), ", not a number for each of ",
                                   layout.features, " features"));
  }
  // A row-sparse bias of 0 has no row.
  const uint64_t fewest = parts.w0->row_sparse ? 0 : 1;
  if (ElementsCount(*parts.w0) < fewest || ElementsCount(*parts.w0) > 1) {
    return OfArray(*parts.w0,
                   absl::StrCat("has the shape ", ShapeText(*parts.w0), ", not one number"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> Floats(const NdArray& array) {
  std::vector<float> values(ElementsCount(array));
  absl::Status status = ReadFloats(*array.type, array.data, array.data_offset, values);
  if (!status.ok()) return status;
  return values;
}

// The features that have a weight or factors, when neither array has them all.
std::vector<uint64_t> UnionOfRows(const Parts& parts) {
  std::vector<uint64_t> ids;
  if (!parts.v->row_sparse || !parts.w->row_sparse) return ids;
  std::ranges::set_union(parts.v->row_ids, parts.w->row_ids, std::back_inserter(ids));
  return ids;
}

// Copies the rows of `array`, `width` values each, to where they belong among the model's.
void Scatter(const NdArray& array, const std::vector<float>& values, size_t width,
             const std::vector<uint64_t>& ids, std::vector<float>& out) {
  size_t row = 0;
  for (size_t i = 0; i < values.size() / width; ++i) {
    const uint64_t id = array.row_sparse ? array.row_ids[i] : i;
    row = id;
    if (!ids.empty()) {
      row = static_cast<size_t>(std::ranges::lower_bound(ids, id) - ids.begin());
    }
    std::copy_n(values.data() + i * width, width, out.data() + row * width);
  }
}

absl::StatusOr<ImportedModel> ModelOf(const std::vector<NdArray>& arrays,
                                      const SageMakerMeta& meta) {
  const absl::StatusOr<Parts> parts = FindParts(arrays);
  if (!parts.ok()) return parts.status();
  const absl::StatusOr<Layout> layout = FindLayout(*parts, meta);
  if (!layout.ok()) return layout.status();
  if (absl::Status status = CheckParts(*parts, *layout); !status.ok()) return status;
  const absl::StatusOr<std::vector<float>> v = Floats(*parts->v);
  const absl::StatusOr<std::vector<float>> w = Floats(*parts->w);
  const absl::StatusOr<std::vector<float>> w0 = Floats(*parts->w0);
  for (const auto* values : {&v, &w, &w0}) {
    if (!values->ok()) return values->status();
  }

  ImportedModel model;
  model.task = meta.task;
  model.w0 = w0->empty() ? 0.0 : w0->front();
  model.k = layout->k;
  const bool sparse = parts->v->row_sparse && parts->w->row_sparse;
  model.ids = UnionOfRows(*parts);
  if (sparse && model.ids.empty()) return OfArray(*parts->v, "has no rows: there are no features");
  const size_t rows = sparse ? model.ids.size() : layout->features;
  model.w.resize(rows);
  model.v.resize(rows * model.k);
  Scatter(*parts->w, *w, 1, model.ids, model.w);
  if (layout->transposed) {
    for (size_t row = 0; row < rows; ++row) {
      for (size_t f = 0; f < model.k; ++f) model.v[row * model.k + f] = (*v)[f * rows + row];
    }
  } else {
    Scatter(*parts->v, *v, model.k, model.ids, model.v);
  }
  if (!meta.epoch.empty()) model.notes.emplace_back("epoch", meta.epoch);
  return model;
}

}  // namespace

absl::StatusOr<ImportedModel> ReadSageMakerParams(std::string_view params,
                                                  const SageMakerMeta& meta) {
  const absl::StatusOr<std::vector<NdArray>> arrays = ReadNdArrayList(params);
  if (!arrays.ok()) return arrays.status();
  return ModelOf(*arrays, meta);
}

}  // namespace fmserve::trainer
