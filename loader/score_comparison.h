// What two versions make of the same requests, as figures. Pure statistics: no clock, no files, no
// protobuf.
#ifndef FMSERVE_LOADER_SCORE_COMPARISON_H_
#define FMSERVE_LOADER_SCORE_COMPARISON_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loader/rank_agreement.h"

namespace fmserve::loader {

// Features of one field that a version does not know, of all of that field in the requests.
struct UnknownShare {
  std::string field{};
  double serving = 0.0;  // 0 to 1
  double candidate = 0.0;
  uint64_t serving_known_count = 0;  // features that the serving version knows
};

struct Comparison {
  bool of_probabilities = true;        // false: predicted values of a regression
  uint64_t requests_count = 0;         // that both versions answered
  uint64_t failed_requests_count = 0;  // that only the serving version could answer
  uint64_t candidates_count = 0;       // pairs of predictions that everything below is about
  uint64_t non_finite_count = 0;       // predictions of the new version, where the old one has some
  double serving_mean = 0.0;           // of the predictions
  double candidate_mean = 0.0;
  // Population stability index over the deciles of the serving version's predictions: sum of
  // (q - p) ln(q / p) over the deciles, with the shares p of the serving and q of the new version
  // (Siddiqi, "Credit Risk Scorecards", 2006; the symmetric divergence of Jeffreys, 1946). 0: the
  // same distribution; above 0.25 is commonly called a significant shift. Nothing when the serving
  // version makes fewer than kMinDistinct different predictions: each would be most of a decile,
  // and the smallest change moves it to the next.
  std::optional<double> psi{};
  // Mean of new - old: of the logits of probabilities; of predicted values, in standard deviations
  // of the old ones.
  double shift = 0.0;
  // Pearson's, of logits or values, over all candidates of all requests. Nothing when the
  // serving version predicts the same for all, 0 when only the new one does.
  std::optional<double> correlation{};
  uint64_t ranked_requests_count = 0;   // with several candidates, not all alike
  double top1_agreement = 0.0;          // share of these whose best candidate is the same
  double kendall_tau = 0.0;             // mean tau-b of these
  std::vector<UnknownShare> unknown{};  // per field that occurs, in the order of the schema
};

// Takes requests one by one and keeps less than 2 MiB, however many they are. One thread.
class ScoreComparison {
 public:
  // Pairs of predictions that are kept for the deciles, a uniform sample of all (Vitter 1985,
  // algorithm R), the same one each time.
  static constexpr size_t kSampledPairs = size_t{1} << 16;
  static constexpr size_t kMinDistinct = 100;
  // Candidates of one request whose order is compared: of more, so many at even distances.
  static constexpr size_t kRankedCandidates = 500;

  explicit ScoreComparison(bool of_probabilities);

  // Predictions of one request, in the same order, of equal size. What has no finite prediction by
  // the serving version is left out.
  void AddRequest(std::span<const float> serving, std::span<const float> candidate);

  // A request that the serving version answers and the new one cannot.
  void AddFailedRequest() { ++comparison_.failed_requests_count; }

  // Of all requests so far: how many features of a field there are, and how many of them each
  // version does not know. Call it once per field, at the end.
  void SetUnknown(std::string field, uint64_t features_count, uint64_t serving_unknown,
                  uint64_t candidate_unknown);

  Comparison Finish() const;

 private:
  struct Pair {
    float serving;  // on the scale of `shift`
    float candidate;
  };

  void AddPair(float serving, float candidate);
  void AddRanks();
  std::optional<double> Psi() const;

  Comparison comparison_;
  std::mt19937_64 random_;
  std::vector<Pair> sample_;
  // Running means, and sums of squares and products of the distances from them (Welford 1962).
  double mean_serving_ = 0.0;
  double mean_candidate_ = 0.0;
  double squares_serving_ = 0.0;
  double squares_candidate_ = 0.0;
  double products_ = 0.0;
  RankAgreement ranks_;
  double top1_sum_ = 0.0;
  double tau_sum_ = 0.0;
  std::vector<float> finite_serving_;  // of one request
  std::vector<float> finite_candidate_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SCORE_COMPARISON_H_
