// Members of tar (plain or gzip) and zip archives.
#ifndef FMSERVE_TRAINER_IMPORT_ARCHIVE_H_
#define FMSERVE_TRAINER_IMPORT_ARCHIVE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace fmserve::trainer {

inline constexpr uint64_t kMaxUnpackedBytes = uint64_t{64} << 30;  // of all members together
inline constexpr uint64_t kMaxMembers = 10'000;

struct ArchiveMember {
  std::string name;  // without the folders before it
  std::string content;
};

// The files among the members whose names (without folders) are wanted, in their order. Memory
// grows with what is unpacked, not with what a header claims. InvalidArgument "byte 123: member
// 'x': reason": how far the archive was read, and what is damaged, encrypted, sparse or too large.
absl::StatusOr<std::vector<ArchiveMember>> ReadArchive(
    std::string_view bytes, absl::FunctionRef<bool(std::string_view name)> wanted);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_ARCHIVE_H_
