#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/feature_schema.h"
#include "model/text.h"
#include "trainer/import/readers.h"
#include "trainer/import/rows_text.h"
#include "trainer/import/text_cursor.h"

namespace fmserve::trainer {
namespace {

// Behind the name of a feature: w and v[k], then n and z of each.
constexpr size_t kNumbersPerParameter = 3;

class AlphafmText {
 public:
  explicit AlphafmText(std::string_view bytes) : text_(bytes) {}

  absl::StatusOr<ImportedModel> Read() {
    model_.task = model::Task::kBinary;
    text_.NextLine();
    if (absl::Status status = ReadBias(); !status.ok()) return status;
    while (text_.NextLine()) {
      if (absl::Status status = ReadFeature(); !status.ok()) return status;
    }
    if (model_.rows() == 0) return text_.Error("there are no features");
    GiveLinearModelAFactor(model_);
    return std::move(model_);
  }

 private:
  absl::Status ReadNumbers() {
    numbers_.clear();
    while (!text_.AtLineEnd()) {
      const absl::StatusOr<double> number = text_.Number();
      if (!number.ok()) return number.status();
      numbers_.push_back(*number);
      if (numbers_.size() > kNumbersPerParameter * (1 + size_t{model::kMaxK})) {
        return text_.Error(absl::StrCat("more than ", model::kMaxK, " factors"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadBias() {
    if (text_.Word() != "bias") return text_.Error("'bias' should stand here");
    if (absl::Status status = ReadNumbers(); !status.ok()) return status;
    if (numbers_.size() != kNumbersPerParameter) {
      return text_.Error(absl::StrCat(numbers_.size(), " numbers of the bias, not 3"));
    }
    model_.w0 = numbers_[0];
    return absl::OkStatus();
  }

  absl::Status ReadFeature() {
    if (absl::Status status = CheckRoom(model_, text_); !status.ok()) return status;
    const std::string_view name = text_.Word();
    if (name.empty()) return text_.Error("the line is empty");
    if (name.size() > model::kMaxValueBytes) {
      return text_.Error(absl::StrCat("a name of ", name.size(), " bytes, more than the ",
                                      model::kMaxValueBytes, " allowed"));
    }
    if (absl::Status status = ReadNumbers(); !status.ok()) return status;
    const bool whole = !numbers_.empty() && numbers_.size() % kNumbersPerParameter == 0;
    if (model_.rows() == 0 && whole) {
      model_.k = static_cast<uint32_t>(numbers_.size() / kNumbersPerParameter - 1);
    }
    if (!whole || numbers_.size() != kNumbersPerParameter * (1 + size_t{model_.k})) {
      return text_.Error(absl::StrCat(numbers_.size(), " numbers of feature ", model::Quote(name),
                                      model_.rows() == 0
                                          ? ", not three for each weight"
                                          : absl::StrCat(", not 3 * (1 + k) with k = ", model_.k)));
    }
    model_.names.emplace_back(name);
    model_.w.push_back(static_cast<float>(numbers_[0]));
    for (uint32_t f = 0; f < model_.k; ++f) {
      model_.v.push_back(static_cast<float>(numbers_[1 + f]));
    }
    return absl::OkStatus();
  }

  TextCursor text_;
  std::vector<double> numbers_;  // of a line
  ImportedModel model_;
};

}  // namespace

absl::StatusOr<ImportedModel> ReadAlphafmText(std::string_view bytes) {
  return AlphafmText(bytes).Read();
}

}  // namespace fmserve::trainer
