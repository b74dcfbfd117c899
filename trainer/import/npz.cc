#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "trainer/import/archive.h"
#include "trainer/import/npy.h"
#include "trainer/import/readers.h"

namespace fmserve::trainer {
namespace {

constexpr std::array<std::string_view, 5> kMembers = {"w0.npy", "w.npy", "v.npy", "field.npy",
                                                      "value.npy"};

absl::Status InMember(std::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("member '", std::string(name),
                                                  "': ", std::string(status.message())));
}

// By name; views of the members.
using Arrays = std::map<std::string, Npy, std::less<>>;

absl::StatusOr<Arrays> ParseMembers(const std::vector<ArchiveMember>& members) {
  Arrays arrays;
  for (const ArchiveMember& member : members) {
    absl::StatusOr<Npy> array = ParseNpy(member.content);
    if (!array.ok()) return InMember(member.name, array.status());
    if (!arrays.emplace(member.name, *std::move(array)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("byte 0: the archive has two members '", member.name, "'"));
    }
  }
  for (const char* name : {"w0.npy", "w.npy", "v.npy"}) {
    if (arrays.contains(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("byte 0: the archive has no member '", name, "'"));
  }
  return arrays;
}

std::string ShapeText(const Npy& array) {
  return absl::StrCat("(", absl::StrJoin(array.shape, ", "), ")");
}

absl::Status ShapeError(std::string_view name, const Npy& array, std::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("member '", std::string(name), "': byte ",
                                                 array.data_offset, ": the shape is ",
                                                 ShapeText(array), ", not ", std::string(wanted)));
}

// One number per feature, whatever dimensions of 1 are around it.
absl::Status ReadLinear(const Npy& array, ImportedModel& model) {
  const bool one_long = std::ranges::count_if(array.shape, [](uint64_t n) { return n > 1; }) <= 1;
  if (array.shape.empty() || !one_long || array.count == 0 || array.count > kMaxImportedRows) {
    return ShapeError("w.npy", array, "(n,)");
  }
  absl::StatusOr<std::vector<float>> w = NpyFloats(array);
  if (!w.ok()) return InMember("w.npy", w.status());
  model.w = *std::move(w);
  return absl::OkStatus();
}

absl::Status ReadFactors(const Npy& array, ImportedModel& model) {
  const uint64_t rows = model.rows();
  const std::string wanted = absl::StrCat("(", rows, ", k) with k from 1 to ", model::kMaxK);
  if (array.shape.size() != 2) return ShapeError("v.npy", array, wanted);
  const bool by_rows = array.shape[0] == rows;
  const uint64_t k = by_rows ? array.shape[1] : array.shape[0];
  if ((!by_rows && array.shape[1] != rows) || k < 1 || k > model::kMaxK) {
    return ShapeError("v.npy", array, wanted);
  }
  absl::StatusOr<std::vector<float>> v = NpyFloats(array);
  if (!v.ok()) return InMember("v.npy", v.status());
  model.k = static_cast<uint32_t>(k);
  if (by_rows) {
    model.v = *std::move(v);
    return absl::OkStatus();
  }
  model.v.resize(v->size());
  for (uint64_t i = 0; i < v->size(); ++i) model.v[i % rows * k + i / rows] = (*v)[i];
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ReadTexts(const Arrays& arrays, std::string_view name,
                                                   size_t rows) {
  const auto it = arrays.find(name);
  if (it == arrays.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "byte 0: of field and value, the archive has no member '", std::string(name), "'"));
  }
  absl::StatusOr<std::vector<std::string>> texts = NpyTexts(it->second);
  if (!texts.ok()) return InMember(name, texts.status());
  if (texts->size() != rows) return ShapeError(name, it->second, absl::StrCat("(", rows, ",)"));
  return texts;
}

absl::Status ReadFeatures(const Arrays& arrays, ImportedModel& model) {
  if (!arrays.contains("field.npy") && !arrays.contains("value.npy")) return absl::OkStatus();
  absl::StatusOr<std::vector<std::string>> fields = ReadTexts(arrays, "field.npy", model.rows());
  if (!fields.ok()) return fields.status();
  absl::StatusOr<std::vector<std::string>> values = ReadTexts(arrays, "value.npy", model.rows());
  if (!values.ok()) return values.status();
  for (size_t row = 0; row < model.rows(); ++row) {
    model.features.push_back(
        {.field = std::move((*fields)[row]), .value = std::move((*values)[row])});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportedModel> ReadNpz(std::string_view bytes) {
  const absl::StatusOr<std::vector<ArchiveMember>> members = ReadArchive(
      bytes,
      [](std::string_view name) { return std::ranges::find(kMembers, name) != kMembers.end(); });
  if (!members.ok()) return members.status();
  const absl::StatusOr<Arrays> arrays = ParseMembers(*members);
  if (!arrays.ok()) return arrays.status();
  ImportedModel model;
  model.link_is_open = true;
  const absl::StatusOr<double> w0 = NpyNumber(arrays->find("w0.npy")->second);
  if (!w0.ok()) return InMember("w0.npy", w0.status());
  model.w0 = *w0;
  absl::Status status = ReadLinear(arrays->find("w.npy")->second, model);
  if (status.ok()) status = ReadFactors(arrays->find("v.npy")->second, model);
  if (status.ok()) status = ReadFeatures(*arrays, model);
  if (!status.ok()) return status;
  return model;
}

}  // namespace fmserve::trainer
