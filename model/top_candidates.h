// The best K of a stream of items of which a scan knows bounds, and only in the end the scores.
// Internal to model/.
#ifndef FMSERVE_MODEL_TOP_CANDIDATES_H_
#define FMSERVE_MODEL_TOP_CANDIDATES_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fmserve::model {

// An item whose score lies between two bounds; they are the score itself once it is exact.
struct Candidate {
  double lower = 0.0;
  double upper = 0.0;
  uint32_t item = 0;
  bool exact = false;
};

// Keeps every candidate that may still be among the best K by (score, then the lower item number).
// Instead of a heap: candidates pile up, and now and then those are dropped that K others beat.
// One thread; does not allocate once it has seen the largest K.
class TopCandidates {
 public:
  // At most `burst` candidates are added between two calls of full().
  void Reset(size_t k, size_t burst);

  // No bound is NaN.
  void Add(const Candidate& candidate);

  // Whether Prune is due before more are added.
  bool full() const { return candidates_.size() >= capacity_; }

  // K of the candidates score at least this: who stays below may be left out. Minus infinity until
  // there are K.
  double threshold() const { return threshold_; }

  // Raises the threshold and drops who is below it. Whether that made room: if not, too many are
  // as good as each other as far as their bounds tell, and the caller makes all() exact.
  bool Prune();

  std::span<Candidate> all() { return candidates_; }

  // After all() were made exact: drops all but the best K and sorts them, the best first.
  void KeepBest();

 private:
  size_t k_ = 0;
  size_t capacity_ = 0;
  double threshold_ = -std::numeric_limits<double>::infinity();
  std::vector<Candidate> candidates_;
  std::vector<double> lowers_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_MODEL_TOP_CANDIDATES_H_
