// Served predictions and clicks -> labelled rows.
#ifndef FMSERVE_TOOLS_JOIN_JOINER_H_
#define FMSERVE_TOOLS_JOIN_JOINER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fmserve::tools {

struct JoinOptions {
  std::vector<std::string> predictions;  // log files and folders of them
  std::string clicks;
  std::string shown;                 // as clicks: candidates that are to become rows; "": all
  std::string schema;                // YAML of the table
  std::string model;                 // "": the log has one
  std::string id_field;              // whose values are the items' ids; "": clicks have positions
  std::string items;                 // table of the items that requests name by ids; "": none
  std::vector<std::string> weights;  // weight files that name values
  std::vector<std::string> values;   // tables of values
  absl::Duration window = absl::Minutes(30);
  absl::Time complete_until;  // the clicks of this time and before are in the file
  std::string out;            // .tsv or .csv
};

// What became of everything that was read.
struct JoinReport {
  uint64_t files = 0;
  uint64_t cut_off_files = 0;
  uint64_t records = 0;
  uint64_t rows = 0;
  uint64_t positives = 0;
  uint64_t clicks = 0;

  // Clicks that label no row: of requests that are not in the log, or of candidates that such a
  // request did not have; and before the answer, or after the window.
  uint64_t unmatched_clicks = 0;
  uint64_t clicks_outside_window = 0;

  uint64_t open_records = 0;    // left out: their windows end after complete_until
  uint64_t unscored = 0;        // candidates left out, as the time had run out
  uint64_t unknown_items = 0;   // candidates left out, as `items` lacks them
  uint64_t unwritable = 0;      // candidates left out: a value cannot stand in the table
  uint64_t unnamed_values = 0;  // values of features that got a stand-in
};

// A click labels the candidate that it names in each record of its request, when it came at most
// `window` after the answer; a second before it is forgiven, because many logs cut fractions off.
// Rows stand in the order of the logs. Memory: 48 bytes per click, the items, one frame of a log.
//
// InvalidArgument: the schema is not the model's, several models are in the log and none is asked
// for, or an option that the log's requests need is missing; DataLoss for damaged logs; messages
// name file and record. Nothing is written then. `progress` is called with records so far.
absl::StatusOr<JoinReport> Join(const JoinOptions& options,
                                const std::function<void(uint64_t records)>& progress);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_JOIN_JOINER_H_
