// What fm quantize, fm prune, fm average and fm calibrate have in common: weight files in, another
// one out.
#ifndef FMSERVE_TOOLS_REWRITE_COMMAND_H_
#define FMSERVE_TOOLS_REWRITE_COMMAND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/golden.h"
#include "model/weight_file.h"
#include "model/weight_writer.h"
#include "tools/json_output.h"
#include "trainer/rewrite.h"
#include "trainer/row_table.h"

namespace CLI {
class App;
}

namespace fmserve::tools {

struct RewriteArguments {
  std::string out;
  uint64_t max_mib = 0;  // 0: no limit
  std::string data;      // "": what it costs is not measured
  std::string schema;    // of the data; "": the model's
  bool no_names = false;
  bool json = false;
};

// `arguments` must outlive the parsing.
void AddRewriteOptions(CLI::App& command, RewriteArguments& arguments);

struct ParentFile {
  std::string path;
  std::shared_ptr<const model::WeightFile> file;
};

absl::StatusOr<ParentFile> OpenParent(const std::string& path);

// Of the file's bytes, in hexadecimal.
std::string Sha256Of(const model::WeightFile& file);

trainer::Lineage MakeLineage(std::string operation, std::string options,
                             const std::vector<ParentFile>& parents);

// Opens a file that was written as a server would, and scores its goldens. Returns its size in
// bytes; Internal when it does not read as it should.
absl::StatusOr<uint64_t> CheckWritten(const std::string& path);

// Measures parents and `table` on the data, writes the file, opens it again and checks its goldens;
// nothing is written when anything before is wrong or the file would be too large. Returns {"out",
// "rows", "bytes", "goldens", "max_golden_change", "parents": [{"path", "rows", "bytes",
// "metrics"}], "metrics"}; metrics are null without data. `table` holds what `options`,
// `goldens` and `metadata` go with.
absl::StatusOr<Json> WriteRewritten(const RewriteArguments& arguments,
                                    const std::vector<ParentFile>& parents,
                                    const trainer::RowTable& table,
                                    model::WeightFileOptions options,
                                    std::vector<model::Golden> goldens, model::Metadata metadata);

// What WriteRewritten returned, for people, on standard output.
void PrintRewritten(const Json& report);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REWRITE_COMMAND_H_
