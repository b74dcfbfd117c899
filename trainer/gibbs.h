// Bayesian factorization machines for regression, by Gibbs sampling (Freudenthaler, Schmidt-Thieme
// and Rendle, "Bayesian Factorization Machines", NIPS workshop 2011; Rendle, "Factorization
// Machines with libFM", ACM TIST 2012, whose priors these are): every parameter in turn is drawn
// from its distribution given all others, and so are the means and precisions of the priors, which
// every field has of its own. Nothing has to be tuned but k and the spread at the start.
//
// The prediction of a Bayesian model is the mean over many draws of parameters, which is no
// factorization machine. What a server can serve is one: that whose parameters are the means of the
// draws. It is nearly as good, and both are measured side by side.
#ifndef FMSERVE_TRAINER_GIBBS_H_
#define FMSERVE_TRAINER_GIBBS_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "trainer/examples.h"
#include "trainer/fit.h"

namespace fmserve::trainer {

struct GibbsOptions {
  uint32_t k = 8;            // 1 to model::kMaxK
  uint32_t draws = 120;      // that are kept; >= 1
  uint32_t burn_in = 20;     // draws before them, which are not
  double init_stddev = 0.1;  // of v at the start; > 0
  uint64_t seed = 1;
};

// A draw is an epoch of the result: its train_loss is that of the draw, `valid` that of the means
// of the draws kept so far, and the best epoch is the one whose means did best on `valid`, or the
// last; the result's parameters are those means. fields[r] is the field of parameter row r, below
// model::kMaxFields. `train` is not empty; `valid` may be null. Keeps two copies of the entries.
// One thread; the same result for the same seed.
//
// InvalidArgument when a row has a feature twice (the loss is then no square in its factors), or
// when examples have weights.
absl::StatusOr<FitResult> SampleGibbs(const GibbsOptions& options, std::span<const uint8_t> fields,
                                      const Examples& train, const Examples* valid,
                                      const FitObserver& observer);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_GIBBS_H_
