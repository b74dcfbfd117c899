#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/import/readers.h"
#include "trainer/import/rows_text.h"
#include "trainer/import/text_cursor.h"

namespace fmserve::trainer {
namespace {

constexpr std::string_view kBiasHeader = "#global bias W0";
constexpr std::string_view kLinearHeader = "#unary interactions Wj";
constexpr std::string_view kFactorsHeader = "#pairwise interactions Vj,f";

class LibfmText {
 public:
  explicit LibfmText(std::string_view bytes) : text_(bytes) {}

  absl::StatusOr<ImportedModel> Read() {
    model_.link_is_open = true;
    has_line_ = text_.NextLine();
    absl::Status status = ReadBias();
    if (status.ok()) status = ReadLinear();
    if (status.ok()) status = ReadFactors();
    if (!status.ok()) return status;
    GiveLinearModelAFactor(model_);
    return std::move(model_);
  }

 private:
  // Goes beyond the line if it is this header.
  bool TakeHeader(std::string_view header) {
    if (!has_line_ || text_.line() != header) return false;
    has_line_ = text_.NextLine();
    return true;
  }

  absl::Status ReadBias() {
    if (!TakeHeader(kBiasHeader)) return absl::OkStatus();
    const absl::StatusOr<double> w0 = text_.Number();
    if (!w0.ok()) return w0.status();
    if (absl::Status status = text_.ExpectLineEnd(); !status.ok()) return status;
    model_.w0 = *w0;
    has_line_ = text_.NextLine();
    return absl::OkStatus();
  }

  absl::Status ReadLinear() {
    has_linear_ = TakeHeader(kLinearHeader);
    if (!has_linear_) return absl::OkStatus();
    for (; has_line_ && !text_.line().starts_with('#'); has_line_ = text_.NextLine()) {
      if (absl::Status status = CheckRoom(model_, text_); !status.ok()) return status;
      const absl::StatusOr<double> w = text_.Number();
      if (!w.ok()) return w.status();
      if (absl::Status status = text_.ExpectLineEnd(); !status.ok()) return status;
      model_.w.push_back(static_cast<float>(*w));
    }
    return absl::OkStatus();
  }

  absl::Status ReadFactors() {
    if (!TakeHeader(kFactorsHeader)) {
      return text_.Error(absl::StrCat("'", std::string(kFactorsHeader), "' should stand here"));
    }
    size_t rows = 0;
    for (; has_line_; has_line_ = text_.NextLine(), ++rows) {
      if (!has_linear_) {
        if (absl::Status status = CheckRoom(model_, text_); !status.ok()) return status;
        model_.w.push_back(0.0F);
      } else if (rows == model_.rows()) {
        return text_.Error(absl::StrCat("more lines of factors than the ", rows, " weights"));
      }
      if (absl::Status status = AppendFactors(text_, rows == 0, model_); !status.ok()) {
        return status;
      }
    }
    if (rows == 0) return text_.Error("there are no features");
    if (rows == model_.rows()) return absl::OkStatus();
    return text_.Error(
        absl::StrCat("ends after ", rows, " lines of factors for ", model_.rows(), " weights"));
  }

  TextCursor text_;
  bool has_line_ = false;
  bool has_linear_ = false;
  ImportedModel model_;
};

}  // namespace

absl::StatusOr<ImportedModel> ReadLibfmText(std::string_view bytes) {
  return LibfmText(bytes).Read();
}

}  // namespace fmserve::trainer
