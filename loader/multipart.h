// A long upload in parts, several at a time.
#ifndef FMSERVE_LOADER_MULTIPART_H_
#define FMSERVE_LOADER_MULTIPART_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s3/client.h"

namespace fmserve::loader {

// What is appended is not visible before Complete; destroyed without, it is aborted. At most
// kParallel + 1 parts lie in memory. One thread.
class MultipartUpload {
 public:
  static constexpr int kParallel = 3;
  static constexpr uint64_t kMinPartBytes = uint64_t{16} << 20;
  static constexpr int kMaxParts = 10'000;  // of S3

  static absl::StatusOr<std::unique_ptr<MultipartUpload>> Begin(std::shared_ptr<s3::Client> client,
                                                                std::string key,
                                                                uint64_t size_bytes);
  ~MultipartUpload();
  MultipartUpload(const MultipartUpload&) = delete;
  MultipartUpload& operator=(const MultipartUpload&) = delete;

  // Waits while there is no memory for it; an error of an earlier part may come here.
  absl::Status Append(std::span<const std::byte> bytes);

  // FailedPrecondition when there is an object of this key already, where the store can tell.
  absl::Status Complete();

 private:
  MultipartUpload(std::shared_ptr<s3::Client> client, std::string key, std::string upload_id,
                  uint64_t part_bytes);

  void Work(const std::stop_token& stop);
  absl::Status SendPatiently(int number, const std::vector<std::byte>& part,
                             const std::stop_token& stop);
  absl::Status HandOver();
  void StopThreads();

  const std::shared_ptr<s3::Client> client_;
  const std::string key_;
  const std::string upload_id_;
  const uint64_t part_bytes_;
  std::vector<std::byte> filling_;
  bool completed_ = false;

  std::mutex mutex_;  // guards the following
  std::condition_variable_any changed_;
  std::map<int, std::vector<std::byte>> waiting_;
  int sending_ = 0;
  std::vector<std::string> etags_;
  absl::Status failure_;

  std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_MULTIPART_H_
