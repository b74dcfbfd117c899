// The best items of a catalogue from beginning to end, without the network.
#ifndef FMSERVE_SERVER_RANKER_H_
#define FMSERVE_SERVER_RANKER_H_

#include "absl/status/status.h"
#include "fmserve/v1/prediction.pb.h"
#include "loader/snapshot.h"
#include "model/feature_list.h"
#include "model/folded_catalogue.h"
#include "model/scorer.h"
#include "server/filter_decoder.h"
#include "server/request_budget.h"
#include "server/request_decoder.h"

namespace fmserve::server {

// Memory of one request, used again for the next one. One thread at a time.
struct TopKScratch {
  model::Scratch scorer;
  model::FeatureList context;
  FilterScratch filter;
  model::TopKMemory scan;
};

// Fills in all of `response` but model and request_id. When the budget runs out underway, the
// response holds the best of what was covered and says so; before anything was covered,
// DeadlineExceeded. FailedPrecondition when the snapshot has no catalogue; InvalidArgument names
// what is wrong with the request. Safe from any thread with its own scratch; allocates nothing once
// scratch and response have seen such a request, but for the filter's message.
absl::Status TopK(const loader::Snapshot& snapshot, const RequestLimits& limits,
                  const RequestBudget& budget, const v1::TopKRequest& request, TopKScratch* scratch,
                  v1::TopKResponse* response);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_RANKER_H_
