// Ranks that are threads of one process.
#ifndef FMSERVE_TESTS_TRAINER_THREAD_RANKS_H_
#define FMSERVE_TESTS_TRAINER_THREAD_RANKS_H_

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include "trainer/ranks.h"

namespace fmserve::trainer {

// What they share: where each has the values of the call that all are in.
struct RankMeeting {
  explicit RankMeeting(uint32_t size) : values(size), barrier(size) {}

  std::vector<void*> values;
  std::barrier<> barrier;
};

class ThreadRanks final : public Ranks {
 public:
  ThreadRanks(RankMeeting& meeting, uint32_t rank) : meeting_(meeting), rank_(rank) {}

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return static_cast<uint32_t>(meeting_.values.size()); }
  absl::Status SumInPlace(std::span<float> values) override { return Sum(values); }
  absl::Status SumInPlace(std::span<double> values) override { return Sum(values); }

  absl::Status Broadcast(uint32_t root, std::span<std::byte> bytes) override {
    Meet(bytes.data());
    if (rank_ != root) {
      std::copy_n(static_cast<const std::byte*>(meeting_.values[root]), bytes.size(),
                  bytes.begin());
    }
    meeting_.barrier.arrive_and_wait();
    return absl::OkStatus();
  }

  void EndAll(int /*exit_code*/) override {}

 private:
  void Meet(void* values) {
    meeting_.values[rank_] = values;
    meeting_.barrier.arrive_and_wait();
  }

  template <typename T>
  absl::Status Sum(std::span<T> values) {
    Meet(values.data());
    std::vector<T> sums(values.size());
    for (const void* of_rank : meeting_.values) {
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<const T*>(of_rank)[i];
    }
    meeting_.barrier.arrive_and_wait();
    std::copy(sums.begin(), sums.end(), values.begin());
    return absl::OkStatus();
  }

  RankMeeting& meeting_;
  const uint32_t rank_;
};

// Calls work(ranks) for each of `size` ranks at the same time; returns when all have ended.
template <typename Work>
void RunRanks(uint32_t size, Work work) {
  RankMeeting meeting(size);
  std::vector<std::jthread> threads;
  for (uint32_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&meeting, &work, rank] {
      ThreadRanks ranks(meeting, rank);
      work(ranks);
    });
  }
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TESTS_TRAINER_THREAD_RANKS_H_
