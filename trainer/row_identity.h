// What parsed rows were made of.
#ifndef FMSERVE_TRAINER_ROW_IDENTITY_H_
#define FMSERVE_TRAINER_ROW_IDENTITY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "trainer/dataset.h"
#include "trainer/row_shard.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// 32 hexadecimal digits that change with every byte of the shard's files, the schema, the options
// that decide which rows are kept and drawn and what a block holds, and `features`. Reads the files
// once, at the speed of the disk. InvalidArgument for what is not a regular file, which would be
// gone after that.
absl::StatusOr<std::string> IdentityOfRows(const RowShard& shard, const TrainingSchema& schema,
                                           const ReadOptions& options, std::string_view features);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_ROW_IDENTITY_H_
