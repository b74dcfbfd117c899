// A few rows of a file, each with the same chance, whatever the order and the number of those who
// looked at them.
#ifndef FMSERVE_TRAINER_ROW_SAMPLE_H_
#define FMSERVE_TRAINER_ROW_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fmserve::trainer {

using RawRow = std::vector<std::string>;  // one cell per field of the schema

// A number that a row draws, the same for one seed: evenly spread over all of 64 bits.
uint64_t DrawOfRow(uint64_t seed, uint64_t row);

// Keeps the rows that drew the lowest numbers (bottom-k sampling; Cohen and Kaplan 2007).
class RowSample {
 public:
  RowSample(uint64_t seed, uint32_t wanted) : seed_(seed), wanted_(wanted) {}

  // `number` tells the row from all others, and rises in the order of the data.
  void Show(uint64_t number, std::span<const std::string_view> cells);

  // What `other` was shown. The seeds are the same.
  void Merge(RowSample other);

  // In the order of the data. Once.
  std::vector<RawRow> Take();

 private:
  struct Drawn {
    uint64_t draw;
    uint64_t number;
    RawRow row;
    bool operator<(const Drawn& other) const { return draw < other.draw; }
  };

  bool IsWanted(uint64_t draw) const {
    return drawn_.size() < wanted_ || (wanted_ > 0 && draw < drawn_.front().draw);
  }
  void Add(Drawn drawn);

  const uint64_t seed_;
  const size_t wanted_;
  std::vector<Drawn> drawn_;  // a heap: the highest number first
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_SAMPLE_H_
