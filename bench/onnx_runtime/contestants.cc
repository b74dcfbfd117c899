#include "bench/onnx_runtime/contestants.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <random>

#include "model/kernels/kernels.h"
#include "model/quantization.h"

namespace fmserve::bench {
namespace {

// What model/scorer.cc does once the features are looked up: rows read ahead of the score.
class OurScorer {
 public:
  OurScorer(const Model& model, const RequestShape& shape, const std::vector<Request>& requests)
      : rows_(model.rows()),
        w0_(model.tables().w0),
        candidate_features_(static_cast<size_t>(shape.features_per_candidate)),
        requests_(requests),
        xs_(std::max(shape.context_features, shape.features_per_candidate), 1.0F),
        accumulate_(OrDie(model::DefaultKernels())->accumulate(rows_.quantization, rows_.k)) {}

  void Score(size_t number, std::span<float> scores) const {
    const Request& request = requests_[number];
    alignas(64) float sums[kFactors] = {};
    for (const uint32_t slot : request.context) PrefetchRow(slot);
    size_t prefetched = 0;
    PrefetchUntil(kRowsAhead, request.candidates, prefetched);
    const double context_score = w0_ + accumulate_(rows_, request.context.data(), xs_.data(),
                                                   request.context.size(), sums, sums);
    for (size_t c = 0; c < scores.size(); ++c) {
      PrefetchUntil((c + 1) * candidate_features_ + kRowsAhead, request.candidates, prefetched);
      scores[c] = static_cast<float>(
          context_score + accumulate_(rows_, request.candidates.data() + c * candidate_features_,
                                      xs_.data(), candidate_features_, sums, nullptr));
    }
  }

 private:
  static constexpr size_t kRowsAhead = 96;

  void PrefetchRow(uint32_t slot) const {
    for (uint32_t line = 0; line < rows_.stride_bytes; line += 64) {
      __builtin_prefetch(rows_.row(slot) + line, 0, /*into L2*/ 2);
    }
  }
  void PrefetchUntil(size_t end, std::span<const uint32_t> slots, size_t& prefetched) const {
    for (end = std::min(end, slots.size()); prefetched < end; ++prefetched) {
      PrefetchRow(slots[prefetched]);
    }
  }

  const model::RowsView rows_;
  const double w0_;
  const size_t candidate_features_;
  const std::vector<Request>& requests_;
  const std::vector<float> xs_;
  const model::AccumulateFn accumulate_;
};

// A graph with the tensors of every request made beforehand.
class OrtScorer {
 public:
  OrtScorer(const OrtLibrary& library, const Model& model, const RequestShape& shape,
            const GraphForm& form, const std::vector<Request>& requests)
      : scores_(static_cast<size_t>(shape.candidates)) {
    std::vector<const char*> names = {"candidates"};
    if (shape.context_features > 0) names.push_back("context");
    model_ = OrDie(OrtModel::Create(library, BuildFmGraph(model.tables(), shape, form),
                                    std::move(names), "scores"));
    output_ =
        OrDie(OrtTensor::Create(library, std::span(scores_), std::span(&shape.candidates, 1)));
    ids_.reserve(requests.size() * 2);  // tensors point into it
    for (const Request& request : requests) AddRequest(library, shape, form, request);
  }

  void Score(size_t number, std::span<float> scores) const {
    if (absl::Status status = model_.Run(inputs_[number], output_); !status.ok()) Die(status);
    std::copy(scores_.begin(), scores_.end(), scores.begin());
  }

 private:
  void AddRequest(const OrtLibrary& library, const RequestShape& shape, const GraphForm& form,
                  const Request& request) {
    const auto features = static_cast<size_t>(shape.features_per_candidate);
    const size_t candidates = scores_.size();
    std::vector<int32_t> ids(request.candidates.begin(), request.candidates.end());
    std::vector<int64_t> dims = {shape.candidates, shape.features_per_candidate};
    if (form.feature_major) {
      std::swap(dims[0], dims[1]);
      for (size_t i = 0; i < ids.size(); ++i) {
        ids[i % features * candidates + i / features] = static_cast<int32_t>(request.candidates[i]);
      }
    }
    std::vector<OrtTensor>& inputs = inputs_.emplace_back();
    ids_.push_back(std::move(ids));
    inputs.push_back(
        OrDie(OrtTensor::Create(library, std::span<const int32_t>(ids_.back()), dims)));
    if (shape.context_features == 0) return;
    ids_.emplace_back(request.context.begin(), request.context.end());
    inputs.push_back(OrDie(OrtTensor::Create(library, std::span<const int32_t>(ids_.back()),
                                             std::span(&shape.context_features, 1))));
  }

  mutable std::vector<float> scores_;
  OrtModel model_;
  OrtTensor output_;
  std::vector<std::vector<int32_t>> ids_;
  std::vector<std::vector<OrtTensor>> inputs_;
};

}  // namespace

Model::Model(int64_t rows) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
  for (int64_t row = 0; row < rows; ++row) {
    w_.push_back(uniform(random));
    for (uint32_t f = 0; f < kFactors; ++f) v_.push_back(uniform(random));
  }
  tables_ = {.rows = rows, .k = kFactors, .w0 = -1.0F, .w = w_, .v = v_};
  EncodeRows(static_cast<size_t>(rows));
}

void Model::EncodeRows(size_t rows) {
  const uint32_t stride = model::RowStrideBytes(model::Quantization::kF32, kFactors);
  const size_t size = rows * stride;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die(absl::ResourceExhaustedError("not enough memory"));
  madvise(memory, size, MADV_HUGEPAGE);
  auto* bytes = static_cast<std::byte*>(memory);
  for (size_t row = 0; row < rows; ++row) {
    const absl::Status status = model::EncodeRow(model::Quantization::kF32, row + 1, w_[row],
                                                 std::span(v_).subspan(row * kFactors, kFactors),
                                                 {bytes + row * stride, stride});
    if (!status.ok()) Die(status);
  }
  rows_ = {bytes, rows, stride, kFactors, model::Quantization::kF32};
}

std::vector<Request> DrawRequests(const RequestShape& shape, int64_t rows) {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<uint32_t> slots(0, static_cast<uint32_t>(rows - 1));
  std::vector<Request> requests(kRequests);
  for (Request& request : requests) {
    request.context.resize(static_cast<size_t>(shape.context_features));
    request.candidates.resize(static_cast<size_t>(shape.candidates * shape.features_per_candidate));
    for (uint32_t& slot : request.context) slot = slots(random);
    for (uint32_t& slot : request.candidates) slot = slots(random);
  }
  return requests;
}

std::vector<GraphForm> AllForms() {
  std::vector<GraphForm> forms;
  for (const bool feature_major : {false, true}) {
    for (const auto tables :
         {GraphTables::kTextbook, GraphTables::kFoldedTwo, GraphTables::kFoldedOne}) {
      forms.push_back({tables, feature_major});
    }
  }
  return forms;
}

std::vector<GraphForm> TextbookForm() { return {{GraphTables::kTextbook, false}}; }

std::vector<Contestant> MakeContestants(const OrtLibrary& library, const Model& model,
                                        const RequestShape& shape,
                                        const std::vector<GraphForm>& forms,
                                        const std::vector<Request>& requests) {
  std::vector<Contestant> all;
  const auto add = [&](std::string name, auto scorer) {
    all.push_back({std::move(name),
                   [scorer](size_t number, std::span<float> out) { scorer->Score(number, out); }});
  };
  add("fmserve, f32", std::make_shared<OurScorer>(model, shape, requests));
  for (const GraphForm& form : forms) {
    add("ONNX Runtime: " + Name(form),
        std::make_shared<OrtScorer>(library, model, shape, form, requests));
  }
  return all;
}

}  // namespace fmserve::bench
