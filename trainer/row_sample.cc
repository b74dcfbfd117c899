#include "trainer/row_sample.h"

#include <algorithm>
#include <utility>

#include "model/dictionary.h"

namespace fmserve::trainer {

uint64_t DrawOfRow(uint64_t seed, uint64_t row) {
  return model::DictionaryHash::Mix(model::DictionaryHash::Mix(seed) + row);
}

void RowSample::Show(uint64_t number, std::span<const std::string_view> cells) {
  const uint64_t draw = DrawOfRow(seed_, number);
  if (!IsWanted(draw)) return;
  Add({.draw = draw, .number = number, .row = RawRow(cells.begin(), cells.end())});
}

void RowSample::Merge(RowSample other) {
  for (Drawn& drawn : other.drawn_) {
    if (IsWanted(drawn.draw)) Add(std::move(drawn));
  }
}

void RowSample::Add(Drawn drawn) {
  if (drawn_.size() == wanted_) {
    std::pop_heap(drawn_.begin(), drawn_.end());
    drawn_.pop_back();
  }
  drawn_.push_back(std::move(drawn));
  std::push_heap(drawn_.begin(), drawn_.end());
}

std::vector<RawRow> RowSample::Take() {
  std::sort(drawn_.begin(), drawn_.end(),
            [](const Drawn& a, const Drawn& b) { return a.number < b.number; });
  std::vector<RawRow> rows;
  for (Drawn& drawn : drawn_) rows.push_back(std::move(drawn.row));
  drawn_.clear();
  return rows;
}

}  // namespace fmserve::trainer
