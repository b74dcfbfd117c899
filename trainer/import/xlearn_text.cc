#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/import/readers.h"
#include "trainer/import/rows_text.h"
#include "trainer/import/text_cursor.h"

namespace fmserve::trainer {
namespace {

class XlearnText {
 public:
  explicit XlearnText(std::string_view bytes) : text_(bytes) {}

  absl::StatusOr<ImportedModel> Read() {
    model_.norm_is_open = true;
    has_line_ = text_.NextLine();
    absl::Status status = ReadBias();
    if (status.ok()) status = ReadLinear();
    if (status.ok()) status = ReadFactors();
    if (!status.ok()) return status;
    GiveLinearModelAFactor(model_);
    return std::move(model_);
  }

 private:
  absl::Status ReadBias() {
    if (text_.Word() != "bias:") return text_.Error("'bias:' should stand here");
    const absl::StatusOr<double> bias = text_.Number();
    if (!bias.ok()) return bias.status();
    model_.w0 = *bias;
    const absl::Status status = text_.ExpectLineEnd();
    has_line_ = text_.NextLine();
    return status;
  }

  // Whether the line begins with "i" or "v" and the number of row `row`; takes that.
  bool TakeLabel(char kind, size_t row) {
    return text_.Word() == absl::StrCat(std::string(1, kind), "_", row, ":");
  }

  absl::Status ReadLinear() {
    for (; has_line_ && text_.line().starts_with('i'); has_line_ = text_.NextLine()) {
      if (absl::Status status = CheckRoom(model_, text_); !status.ok()) return status;
      if (!TakeLabel('i', model_.rows())) {
        return text_.Error(absl::StrCat("'i_", model_.rows(), ":' should stand here"));
      }
      const absl::StatusOr<double> w = text_.Number();
      if (!w.ok()) return w.status();
      if (absl::Status status = text_.ExpectLineEnd(); !status.ok()) return status;
      model_.w.push_back(static_cast<float>(*w));
    }
    return model_.rows() > 0 ? absl::OkStatus() : text_.Error("there are no features");
  }

  absl::Status ReadFactors() {
    if (!has_line_) return absl::OkStatus();  // a linear model
    size_t row = 0;
    for (; has_line_; has_line_ = text_.NextLine(), ++row) {
      if (row == model_.rows()) {
        return text_.Error(absl::StrCat("more than the ", row, " features that have weights"));
      }
      if (!TakeLabel('v', row)) return LabelError(row);
      if (absl::Status status = AppendFactors(text_, row == 0, model_); !status.ok()) {
        return status;
      }
      if (model_.k == 0) return text_.Error("there are no factors");
    }
    if (row == model_.rows()) return absl::OkStatus();
    return text_.Error(
        absl::StrCat("ends after the factors of ", row, " features of ", model_.rows()));
  }

  absl::Status LabelError(size_t row) const {
    if (text_.line().starts_with(absl::StrCat("v_", row, "_"))) {
      return text_.Error(
          "a field-aware model (FFM): a feature has factors for each field, which no factorization "
          "machine has; train one with xLearn's create_fm");
    }
    return text_.Error(absl::StrCat("'v_", row, ":' should stand here"));
  }

  TextCursor text_;
  bool has_line_ = false;
  ImportedModel model_;
};

}  // namespace

absl::StatusOr<ImportedModel> ReadXlearnText(std::string_view bytes) {
  return XlearnText(bytes).Read();
}

}  // namespace fmserve::trainer
