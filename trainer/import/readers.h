// Model files of other tools, a reader for each format.
//
// Each takes the bytes of a whole file and trusts nothing: memory is taken for what lies in the
// bytes, never for what a count among them claims. InvalidArgument says at which byte (of a text:
// line and byte; of an archive: in which member) and what is wrong. Values that are not finite, or
// too large for a float, are wrong. Safe from any thread. Layouts are read from the tools' own
// sources, as they were written on x86-64: integers and floats are little-endian.
#ifndef FMSERVE_TRAINER_IMPORT_READERS_H_
#define FMSERVE_TRAINER_IMPORT_READERS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "trainer/import/imported_model.h"

namespace fmserve::trainer {

// libFM, -save_model (fm_model.h): three sections of lines, each after its header
//   #global bias W0               a line; may be left out with its header
//   #unary interactions Wj        a line per id; may be left out with its header
//   #pairwise interactions Vj,f   a line of k numbers per id
// Neither the task nor the link is in it.
absl::StatusOr<ImportedModel> ReadLibfmText(std::string_view bytes);

// xLearn 0.44, -t (model_parameters.cc): "bias: b", lines "i_<id>: w", lines "v_<id>: k numbers",
// ids from 0 without gaps. Neither the task nor the instance norm is in it. A field-aware model
// ("v_<id>_<field>") is refused: it has no counterpart.
absl::StatusOr<ImportedModel> ReadXlearnText(std::string_view bytes);

// xLearn 0.44, -m (model_parameters.cc)
//   u64 n, char score[n]   "linear", "fm" or "ffm"
//   u64 n, char loss[n]    "cross-entropy" or "squared"
//   u32 features, fields, k, aux (1 to 3), features * aux, and unless linear features * ka * aux
//   f32 w[features][aux], bias[aux], v[features][aux][ka]       ka: k up to a multiple of 4
// Of aux values the first is the parameter, the others are the optimiser's. The instance norm is
// not in it.
absl::StatusOr<ImportedModel> ReadXlearnBinary(std::string_view bytes);

// alphaFM, -mf txt (ftrl_model.h): "bias w n z", then per feature "name w v[k] n z vn[k] vz[k]".
absl::StatusOr<ImportedModel> ReadAlphafmText(std::string_view bytes);

// alphaFM, -mf bin (model_bin_file.h)
//   u64 version = 1, bytes of a number (4, 8), k, features with the bias, features that are not 0,
//       1 if written to the end, bytes of the numbers of a feature
//   per feature, the first is "bias": u16 n, char name[n], T w, n, z, v[k], vn[k], vz[k]
absl::StatusOr<ImportedModel> ReadAlphafmBinary(std::string_view bytes);

// SageMaker's built-in algorithm: model.tar.gz; the model_algo-1 in it, a zip of meta.json,
// symbol.json and params; or the params alone, an NDArray list of MXNet (ndarray_list.h) with
//   v (features, k), w1_weight (features, 1), w0_weight (1), or, as older releases wrote it,
//   v (k, features), Linear_Plus_Bias_weight (1, features), Linear_Plus_Bias_bias (1)
// each with or without "arg:" before its name. meta.json may tell the task. Several model_algo-<n>
// must hold the same params.
absl::StatusOr<ImportedModel> ReadSageMaker(std::string_view bytes);

// NumPy, savez or savez_compressed: w0 (one number), w (n), v (n, k) or, unless n == k, (k, n), of
// float16, float32 or float64; optionally field and value (n), strings of bytes or of characters,
// as `fm export` writes them. Neither the task nor the link is in it.
absl::StatusOr<ImportedModel> ReadNpz(std::string_view bytes);

enum class ImportFormat : uint8_t {
  kLibfm,
  kXlearnText,
  kXlearnBinary,
  kAlphafmText,
  kAlphafmBinary,
  kSageMaker,
  kNpz,
};

inline constexpr std::array kImportFormats = {
    ImportFormat::kLibfm,       ImportFormat::kXlearnText,    ImportFormat::kXlearnBinary,
    ImportFormat::kAlphafmText, ImportFormat::kAlphafmBinary, ImportFormat::kSageMaker,
    ImportFormat::kNpz,
};

// Names as on command lines: "libfm", "xlearn-text", "xlearn-binary", "alphafm-text",
// "alphafm-binary", "sagemaker", "npz".
std::string_view Name(ImportFormat format);

// What the first bytes tell: those of no two formats are alike. Nothing if of none.
std::optional<ImportFormat> DetectFormat(std::string_view bytes);

// By the reader of the format.
absl::StatusOr<ImportedModel> ReadModel(ImportFormat format, std::string_view bytes);

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_IMPORT_READERS_H_
