#include "loader/gate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "loader/gates_of_metadata.h"
#include "model/feature_encoder.h"

namespace fmserve::loader {
namespace {

GateResult Fail(std::string_view gate, std::string detail) {
  return {false, gate, std::move(detail)};
}

GateResult CheckSize(const GateOptions& options, uint64_t size_bytes) {
  if (size_bytes <= options.max_file_bytes) return {};
  return Fail("size", absl::StrCat("the file has ", size_bytes,
                                   " bytes; this server takes at most ", options.max_file_bytes));
}

GateResult CheckVersion(const GateOptions& options, uint64_t version, uint64_t serving_version) {
  if (version >= serving_version || options.allow_version_decrease) return {};
  return Fail("version",
              absl::StrCat("version ", version, " is lower than version ", serving_version,
                           ", which serves; publish under a higher number, or pin it"));
}

// A publisher whose clock is wrong, or a manifest that was written by hand.
GateResult CheckPublished(const GateOptions& options, const ManifestGateInput& input) {
  const uint64_t published_unix_us = input.manifest->published_unix_us;
  const uint64_t ahead_s = published_unix_us > input.now_unix_us
                               ? (published_unix_us - input.now_unix_us) / 1'000'000
                               : 0;
  if (ahead_s > options.max_published_ahead_s) {
    // Without the time that is left: each poll would find something else wrong.
    return Fail(
        "age",
        absl::StrCat("it was published at ",
                     absl::FormatTime(absl::RFC3339_sec,
                                      absl::FromUnixMicros(static_cast<int64_t>(published_unix_us)),
                                      absl::UTCTimeZone()),
                     ", in the future; at most ", options.max_published_ahead_s,
                     " s are taken for clocks that disagree"));
  }
  if (!options.refuse_older || published_unix_us >= input.serving_published_unix_us) return {};
  return Fail("age", absl::StrCat("it was published before version ", input.serving_version,
                                  ", which serves; pin it if you mean it"));
}

uint64_t ResidentBytes(const Snapshot& snapshot) {
  uint64_t bytes = snapshot.file().info().file_size;
  if (snapshot.catalogue() != nullptr)
    bytes += snapshot.catalogue()->file().info().file_size + snapshot.catalogue()->bytes();
  return bytes;
}

GateResult CheckResident(const GateOptions& options, const Snapshot& snapshot) {
  const uint64_t bytes = ResidentBytes(snapshot);
  if (bytes <= options.max_resident_bytes) return {};
  return Fail("resident", absl::StrCat("weights and catalogue take ", bytes,
                                       " bytes of memory; this server gives a version at most ",
                                       options.max_resident_bytes));
}

GateResult SizeGate(const GateOptions& options, const GateInput& input) {
  return CheckSize(options, input.candidate->file().info().file_size);
}

GateResult VersionGate(const GateOptions& options, const GateInput& input) {
  if (input.serving == nullptr || input.operator_asked) return {};
  return CheckVersion(options, input.candidate->version(), input.serving->version());
}

GateResult CheckIdentity(std::string_view model, uint64_t version, const std::string& file_model,
                         uint64_t file_version) {
  if (file_model != model) {
    return Fail("identity", absl::StrCat("the file is of model '", file_model, "', not of '",
                                         std::string(model), "'"));
  }
  if (file_version != version) {
    return Fail("identity", absl::StrCat("the file says that it is version ", file_version,
                                         ", but was published as version ", version));
  }
  return {};
}

GateResult ResidentGate(const GateOptions& options, const GateInput& input) {
  return CheckResident(options, *input.candidate);
}

GateResult IdentityGate(const GateOptions&, const GateInput& input) {
  const model::WeightInfo& info = input.candidate->file().info();
  return CheckIdentity(input.model, input.version, info.model_name, info.version);
}

GateResult SchemaGate(const GateOptions&, const GateInput& input) {
  if (input.serving == nullptr) return {};
  const absl::Status status = input.candidate->schema().CompatibleWith(input.serving->schema());
  if (status.ok()) return {};
  return Fail("schema", absl::StrCat("requests made for version ", input.serving->version(),
                                     " would mean something else: ", status.message()));
}

// Scores goldens the way requests are scored.
class GoldenScorer {
 public:
  explicit GoldenScorer(const Snapshot& snapshot) : snapshot_(snapshot) {}

  absl::StatusOr<float> Score(const model::Golden& golden) {
    const model::FeatureSchema& schema = snapshot_.schema();
    if (golden.cells.size() != schema.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("it has ", golden.cells.size(), " cells for ", schema.size(), " fields"));
    }
    if (absl::Status status = Encode(golden, model::Side::kContext, context_); !status.ok())
      return status;
    if (absl::Status status = Encode(golden, model::Side::kItem, item_); !status.ok())
      return status;
    const std::array<uint32_t, 1> lengths = {static_cast<uint32_t>(item_.size())};
    std::array<float, 1> scores = {};
    snapshot_.scorer().ScoreContext(context_.view(), scratch_);
    snapshot_.scorer().ScoreCandidates(item_.view(), lengths, scratch_, scores);
    return scores[0];
  }

 private:
  absl::Status Encode(const model::Golden& golden, model::Side side, model::FeatureList& features) {
    features.Clear();
    model::FeatureEncoder encoder(snapshot_.schema(), &features);
    encoder.Begin(side);
    for (size_t field = 0; field < golden.cells.size(); ++field) {
      if (snapshot_.schema().field(field).side != side) continue;
      const absl::Status status = encoder.AddText(field, golden.cells[field]);
      if (!status.ok()) return status;
    }
    return encoder.End();
  }

  const Snapshot& snapshot_;
  model::FeatureList context_;
  model::FeatureList item_;
  model::Scratch scratch_;
};

GateResult GoldenGates(const GateOptions& options, const GateInput& input) {
  const std::vector<model::Golden>& goldens = input.candidate->file().goldens();
  if (goldens.empty() && !options.allow_no_goldens) {
    return Fail("golden", "the file has no goldens to check its scores with");
  }
  GoldenScorer scorer(*input.candidate);
  for (size_t i = 0; i < goldens.size(); ++i) {
    const absl::StatusOr<float> score = scorer.Score(goldens[i]);
    if (!score.ok()) {
      return Fail("golden",
                  absl::StrCat("golden ", i, " cannot be scored: ", score.status().message()));
    }
    if (!std::isfinite(*score) || !std::isfinite(input.candidate->scorer().Predict(*score))) {
      return Fail("finite", absl::StrCat("golden ", i, " scores ", *score, " and predicts ",
                                         input.candidate->scorer().Predict(*score)));
    }
    const double wanted = goldens[i].score;
    const double error = std::abs(*score - wanted) / std::max(1.0, std::abs(wanted));
    if (error <= options.golden_tolerance) continue;
    return Fail("golden",
                absl::StrCat("golden ", i, " scores ", *score, ", the trainer computed ", wanted,
                             ": the error ", error, " is above ", options.golden_tolerance));
  }
  return {};
}

struct Gate {
  std::string_view name;
  GateResult (*run)(const GateOptions&, const GateInput&);
};
constexpr Gate kGates[] = {{"size", SizeGate},         {"version", VersionGate},
                           {"identity", IdentityGate}, {"schema", SchemaGate},
                           {"resident", ResidentGate}, {"age", CreatedGate},
                           {"metric", MetricGate},     {"golden", GoldenGates}};

}  // namespace

GateResult RunManifestGates(const GateOptions& options, const ManifestGateInput& input) {
  GateResult result = CheckVersion(options, input.manifest->version, input.serving_version);
  if (result.passed) result = CheckPublished(options, input);
  return result.passed ? CheckSize(options, input.manifest->size_bytes) : result;
}

GateResult RunCatalogueGates(const GateOptions& options, std::string_view model, uint64_t version,
                             const model::CatalogueFile& candidate) {
  const model::CatalogueInfo& info = candidate.info();
  GateResult result = CheckSize(options, info.file_size);
  return result.passed ? CheckIdentity(model, version, info.model_name, info.version) : result;
}

GateResult RunGates(const GateOptions& options, const GateInput& input,
                    std::vector<std::string_view>* passed) {
  for (const Gate& gate : kGates) {
    if (GateResult result = gate.run(options, input); !result.passed) return result;
    if (passed != nullptr) passed->push_back(gate.name);
  }
  return {};
}

GateResult RunFoldedGates(const GateOptions& options, const Snapshot& folded) {
  return CheckResident(options, folded);
}

}  // namespace fmserve::loader
