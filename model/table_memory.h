// Memory for a big table. Internal to model/.
#ifndef FMSERVE_MODEL_TABLE_MEMORY_H_
#define FMSERVE_MODEL_TABLE_MEMORY_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"

namespace fmserve::model {

// Frees what mmap gave.
struct Unmap {
  size_t bytes = 0;
  void operator()(std::byte* memory) const;
};

// Zeroed bytes, on 2 MB pages where the system has them: a random read costs one miss instead of
// two. Movable.
class TableMemory {
 public:
  TableMemory() = default;

  // ResourceExhausted when there is no memory. 0 bytes are allowed.
  static absl::StatusOr<TableMemory> Allocate(size_t bytes);

  std::byte* data() const { return memory_.get(); }
  size_t size() const { return memory_.get_deleter().bytes; }

  // Gives the memory back in steps of one huge page, with a checkpoint after each, whose errors it
  // returns. Only for who holds the table alone; what is read afterwards is zeroes.
  absl::Status ReleasePages(Checkpoint checkpoint) const;

 private:
  std::unique_ptr<std::byte[], Unmap> memory_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_TABLE_MEMORY_H_
