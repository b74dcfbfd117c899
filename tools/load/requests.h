// Real requests from rows of a click log: the context of one row with the item sides of many.
#ifndef FMSERVE_TOOLS_LOAD_REQUESTS_H_
#define FMSERVE_TOOLS_LOAD_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmserve/v1/prediction.pb.h"
#include "model/feature_schema.h"
#include "model/scorer.h"

namespace fmserve::tools {

// Cells of all fields of the schema, in its order.
using Cells = std::vector<std::string>;

// Rows of a click log, checked against the schema.
struct ClickLog {
  model::FeatureSchema schema;
  std::vector<Cells> contexts;  // one per row read; only the context fields count
  std::vector<Cells> items;     // distinct in their item fields, in a random but repeatable order
};

// InvalidArgument and NotFound name file, line and field. Reads at most `max_rows` rows.
absl::StatusOr<ClickLog> ReadClickLog(const std::string& schema_path, const std::string& data_path,
                                      size_t max_rows);

enum class RequestForm : uint8_t { kPacked, kFeatures };

// Which rows of a log make a request.
struct RequestPlan {
  size_t context = 0;
  std::vector<size_t> items;
};

// The request number `index`: contexts in the order of the log, each with the next `candidates`
// items. Both wrap around; candidates of one request differ as long as the log has that many items.
// The log must not be empty.
RequestPlan PlanRequest(const ClickLog& log, size_t index, size_t candidates);

// The message for a plan; model name, budget and request id are left to the caller.
fmserve::v1::PredictRequest BuildRequest(const ClickLog& log, const RequestPlan& plan,
                                         RequestForm form);

// The number of the item field whose values are the ids of a catalogue's items. NotFound when the
// schema has no such field, InvalidArgument when it is not categorical or not of the item side.
absl::StatusOr<size_t> FindIdField(const model::FeatureSchema& schema, const std::string& name);

// Leaves one item per id, those without any out. InvalidArgument when none is left.
absl::Status KeepOneItemPerId(size_t id_field, ClickLog* log);

// As BuildRequest, with the context in this form and the candidates named by their ids, which are
// integers or strings as the field's values are.
fmserve::v1::PredictRequest BuildItemsRequest(const ClickLog& log, const RequestPlan& plan,
                                              RequestForm form, size_t id_field);

// The best k items of the catalogue for a context, of the log's contexts.
fmserve::v1::TopKRequest BuildTopKRequest(const ClickLog& log, size_t context, RequestForm form,
                                          uint32_t k);

// What any server must answer with this weight file: the server's own code, offline.
// InvalidArgument when the rows do not fit the file's schema.
absl::StatusOr<std::vector<float>> PredictOffline(const ClickLog& log, const RequestPlan& plan,
                                                  const model::WeightFile& file,
                                                  const model::Scorer& scorer);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_LOAD_REQUESTS_H_
