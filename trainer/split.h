// One line of a table -> its cells, in place.
#ifndef FMSERVE_TRAINER_SPLIT_H_
#define FMSERVE_TRAINER_SPLIT_H_

#include <span>
#include <vector>

#include "absl/status/status.h"

namespace fmserve::trainer {

// Cuts `line` at every separator; an empty line is one empty cell. The cells point into the line.
void SplitPlain(std::span<char> line, char separator, std::vector<std::span<char>>* cells);

// The same with quotes as in RFC 4180: a cell that begins with '"' ends at the next single '"', and
// what stands between is the value, with '""' for '"'. Writes the values over the line.
// InvalidArgument says what is wrong with a quote.
absl::Status SplitQuoted(std::span<char> line, char separator, std::vector<std::span<char>>* cells);

// Whether a quote is still open at the end of `line`: the record goes on in the next one.
bool QuoteIsOpen(std::span<const char> line);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_SPLIT_H_
