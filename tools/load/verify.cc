#include "tools/load/verify.h"

#include <filesystem>
#include <map>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "loader/manifest.h"
#include "model/kernels/kernels.h"
#include "model/weight_file.h"

namespace fmserve::tools {
namespace {

using Records = std::vector<const LoadRecord*>;

// The responses of one version.
absl::Status VerifyVersion(const Records& records, const ClickLog& log, size_t candidates,
                           const std::string& path, const model::KernelTable& kernels,
                           VerifyResult& result) {
  const auto file = model::WeightFile::Open(path);
  if (!file.ok()) return file.status();
  const model::Scorer scorer(**file, kernels);
  std::unordered_map<uint32_t, std::vector<float>> expected;  // by request
  for (const LoadRecord* record : records) {
    auto [entry, is_new] = expected.try_emplace(record->request);
    if (is_new) {
      auto predictions =
          PredictOffline(log, PlanRequest(log, record->request, candidates), **file, scorer);
      if (!predictions.ok()) return predictions.status();
      entry->second = *std::move(predictions);
    }
    ++result.checked;
    const std::vector<float>& predictions = entry->second;
    // All of them, or fewer if it says so.
    if (record->scored_count <= predictions.size() &&
        record->partial == (record->scored_count < predictions.size()) &&
        record->fingerprint == Fingerprint(predictions.data(), record->scored_count)) {
      continue;
    }
    if (++result.wrong == 1) {
      result.first_wrong = absl::StrFormat(
          "request %d, due %.3f s into the run, names version %d, but its %d predictions are not "
          "those of %s",
          record->request, static_cast<double>(record->intended_ns) * 1e-9, record->version,
          record->scored_count, path);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifyResult> VerifyResponses(const std::vector<LoadRecord>& records,
                                             const ClickLog& log, size_t candidates,
                                             const std::string& store, const std::string& model) {
  const auto kernels = model::DefaultKernels();
  if (!kernels.ok()) return kernels.status();
  std::map<uint64_t, Records> by_version;
  VerifyResult result;
  for (const LoadRecord& record : records) {
    if (record.version != 0) {
      by_version[record.version].push_back(&record);
    } else if (record.outcome == 0) {
      ++result.checked;
      if (++result.wrong == 1) result.first_wrong = "an answer names no version";
    }
  }
  for (const auto& [version, of_version] : by_version) {
    const std::string path = std::filesystem::path(store) / model / loader::WeightFileName(version);
    absl::Status status = VerifyVersion(of_version, log, candidates, path, **kernels, result);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("cannot verify version ", version, ": ", status.message()));
    }
  }
  return result;
}

}  // namespace fmserve::tools
