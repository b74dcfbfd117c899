// Rows of random weights for eigen_bench.cc, each laid out as every contestant wants it.
#ifndef FMSERVE_BENCH_EIGEN_TABLE_H_
#define FMSERVE_BENCH_EIGEN_TABLE_H_

#include <sys/mman.h>

#include <Eigen/Core>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "model/quantization.h"
#include "model/row_layout.h"
#include "model/scan_blocks.h"

namespace fmserve::model {

// On 2 MB pages where the system has them. Lives as long as the process.
inline std::byte* Reserve(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(memory);
}

// Copies of a few random rows, laid out for each contestant: what they hold does not change the
// time. Lives as long as the process.
template <uint32_t kK>
struct Table {
  static constexpr size_t kPatterns = 64;

  explicit Table(size_t rows)
      : rows_count(rows),
        f32(Ours(Quantization::kF32)),
        f16(Ours(Quantization::kF16)),
        vectors(reinterpret_cast<float*>(Reserve(rows * kK * sizeof(float)))),
        columns(reinterpret_cast<float*>(Reserve(rows * kK * sizeof(float)))),
        linear(reinterpret_cast<float*>(Reserve(rows * sizeof(float)))),
        blocks(*ScanBlocks::Allocate(static_cast<uint32_t>(rows), kK)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.1F);
    Eigen::Matrix<float, kPatterns, kK, Eigen::RowMajor> v;
    Eigen::Matrix<float, kPatterns, 1> w;
    for (float& value : v.reshaped()) value = normal(random);
    for (float& value : w) value = normal(random);
    for (const RowsView* view : {&f32, &f16}) Encode(*view, v.data(), w.data());
    for (size_t row = 0; row < rows; ++row) {
      std::memcpy(vectors + row * kK, v.data() + row % kPatterns * kK, kK * sizeof(float));
      linear[row] = w[static_cast<Eigen::Index>(row % kPatterns)];
    }
    for (size_t f = 0; f < kK; ++f) {
      for (size_t row = 0; row < rows; ++row)
        columns[f * rows + row] =
            v(static_cast<Eigen::Index>(row % kPatterns), static_cast<Eigen::Index>(f));
    }
    for (uint32_t block = 0; block < blocks.blocks_count(); ++block) {
      const size_t first = size_t{block} * kScanBlockItems;
      const std::vector<double> biases(linear + first, linear + first + blocks.ItemsOf(block));
      blocks.Encode(block, {vectors + first * kK, biases.size() * kK}, biases);
    }
    blocks.Finish();
  }

  RowsView Ours(Quantization quantization) const {
    const uint32_t stride_bytes = RowStrideBytes(quantization, kK);
    return {Reserve(rows_count * stride_bytes), rows_count, stride_bytes, kK, quantization};
  }

  static void Encode(const RowsView& view, const float* v, const float* w) {
    auto* bytes = const_cast<std::byte*>(view.bytes);
    for (size_t row = 0; row < kPatterns; ++row) {
      const std::span into(bytes + row * view.stride_bytes, view.stride_bytes);
      if (!EncodeRow(view.quantization, row + 1, w[row], {v + row * kK, kK}, into).ok())
        std::abort();
    }
    for (size_t row = kPatterns; row < view.slots_count; ++row) {
      std::memcpy(bytes + row * view.stride_bytes, bytes + row % kPatterns * view.stride_bytes,
                  view.stride_bytes);
    }
  }

  size_t rows_count;
  RowsView f32;
  RowsView f16;
  float* vectors;  // rows_count x kK
  float* columns;  // the same, factor by factor
  float* linear;   // rows_count
  ScanBlocks blocks;
};

}  // namespace fmserve::model

#endif  // FMSERVE_BENCH_EIGEN_TABLE_H_
