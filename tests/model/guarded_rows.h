// Rows for the tests of what reads them without bounds.
#ifndef FMSERVE_TESTS_MODEL_GUARDED_ROWS_H_
#define FMSERVE_TESTS_MODEL_GUARDED_ROWS_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/quantization.h"
#include "model/row_layout.h"

namespace fmserve::model {

// Rows that end where the next page may not be read: who reads beyond the last row crashes.
class GuardedRows {
 public:
  GuardedRows(Quantization quantization, uint32_t k, uint32_t slots_count) {
    const size_t page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    view_ = {nullptr, slots_count, RowStrideBytes(quantization, k), k, quantization};
    rows_bytes_ = size_t{slots_count} * view_.stride_bytes;
    mapped_bytes_ = (rows_bytes_ + page_bytes - 1) / page_bytes * page_bytes + page_bytes;
    void* mapping =
        mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(mapping, MAP_FAILED);
    mapping_ = static_cast<std::byte*>(mapping);
    std::byte* end = mapping_ + mapped_bytes_ - page_bytes;
    EXPECT_EQ(mprotect(end, page_bytes, PROT_NONE), 0);
    bytes_ = end - rows_bytes_;
    view_.bytes = bytes_;
  }
  GuardedRows(const GuardedRows&) = delete;
  GuardedRows& operator=(const GuardedRows&) = delete;
  ~GuardedRows() { munmap(mapping_, mapped_bytes_); }

  const RowsView& view() const { return view_; }

  void Set(uint32_t slot, float w, std::span<const float> v) {
    const std::span row(bytes_ + size_t{slot} * view_.stride_bytes, view_.stride_bytes);
    const absl::Status status = EncodeRow(view_.quantization, slot + 1, w, v, row);
    ASSERT_TRUE(status.ok()) << status;
  }

 private:
  RowsView view_;
  size_t rows_bytes_ = 0;
  size_t mapped_bytes_ = 0;
  std::byte* mapping_ = nullptr;
  std::byte* bytes_ = nullptr;
};

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_GUARDED_ROWS_H_
