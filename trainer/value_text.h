// Keys back to what people wrote: the values that a weight file names its rows by.
#ifndef FMSERVE_TRAINER_VALUE_TEXT_H_
#define FMSERVE_TRAINER_VALUE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/feature_schema.h"

namespace fmserve::trainer {

// The value of `field` that has the key, given a cell (feature_encoder.h) in which it stands: the
// value itself; the number of a bucket or of a dimension; "(missing)"; nothing for a number that is
// a weight, or if the cell does not hold it.
std::string ValueText(const model::FeatureSchema& schema, size_t field, uint64_t key,
                      std::string_view cell);

// The way back: the key of the feature of `field` that is called so. "(rare)" is what stands for
// rare and unknown values. InvalidArgument says what the field calls its features.
absl::StatusOr<uint64_t> KeyOfText(const model::FeatureSchema& schema, size_t field,
                                   std::string_view text);

// A text in a cell of a tsv: tab, line end and backslash as \t, \n, \r and \\, as PostgreSQL and
// MySQL write them.
std::string EscapeCell(std::string_view text);

// Nothing if a backslash stands before anything else.
std::optional<std::string> UnescapeCell(std::string_view cell);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_VALUE_TEXT_H_
