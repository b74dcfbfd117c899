#include "tools/topk/filter_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/text.h"

namespace fmserve::tools {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kMarks = "(){},";
constexpr size_t kMaxParentheses = 64;

struct Token {
  enum class Kind : uint8_t { kEnd, kMark, kWord, kQuoted };
  Kind kind = Kind::kEnd;
  std::string text = {};
  size_t column = 1;

  bool Is(std::string_view what) const {
    return kind != Kind::kQuoted && kind != Kind::kEnd && text == what;
  }
  bool IsKeyword() const { return Is("and") || Is("or") || Is("not") || Is("in"); }
  bool IsName() const { return kind == Kind::kQuoted || (kind == Kind::kWord && !IsKeyword()); }
};

absl::Status ErrorAt(size_t column, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("filter, column ", column, ": ", std::string(what)));
}

class FilterLexer {
 public:
  explicit FilterLexer(std::string_view text) : text_(text) {}
  absl::StatusOr<Token> Next();

 private:
  void Skip(size_t bytes) {
    column_ += static_cast<size_t>(
        std::count_if(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(bytes),
                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    text_.remove_prefix(bytes);
  }
  absl::StatusOr<Token> Quoted();

  std::string_view text_;  // what is left
  size_t column_ = 1;
};

absl::StatusOr<Token> FilterLexer::Quoted() {
  Token token{.kind = Token::Kind::kQuoted, .text = {}, .column = column_};
  for (size_t i = 1; i < text_.size(); ++i) {
    if (text_[i] == '"') {
      Skip(i + 1);
      return token;
    }
    if (text_[i] == '\\' && ++i == text_.size()) break;
    token.text += text_[i];
  }
  return ErrorAt(column_, "the quote does not end");
}

absl::StatusOr<Token> FilterLexer::Next() {
  Skip(std::min(text_.find_first_not_of(kBlanks), text_.size()));
  if (text_.empty()) return Token{.kind = Token::Kind::kEnd, .text = {}, .column = column_};
  if (text_[0] == '"') return Quoted();
  size_t size = 1;
  Token token{.kind = Token::Kind::kMark, .text = {}, .column = column_};
  if (kMarks.find(text_[0]) == std::string_view::npos) {
    token.kind = Token::Kind::kWord;
    while (size < text_.size() && text_[size] != '"' &&
           kBlanks.find(text_[size]) == std::string_view::npos &&
           kMarks.find(text_[size]) == std::string_view::npos) {
      ++size;
    }
  }
  token.text = std::string(text_.substr(0, size));
  Skip(size);
  return token;
}

// Recursive descent; the steps come out as a stack wants them.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : lexer_(text) {}
  absl::StatusOr<std::vector<FilterStep>> Parse();

 private:
  using Kind = FilterStep::Kind;

  absl::Status Advance();
  absl::Status Expect(std::string_view what);
  absl::Status Expected(std::string_view what) const;
  absl::Status ParseOr(bool negated);
  absl::Status ParseAnd(bool negated);
  absl::Status ParseTerm(bool negated);
  absl::Status ParseLeaf(bool negated);
  absl::Status ParseValues(std::vector<std::string>& values);

  FilterLexer lexer_;
  Token token_;  // not taken yet
  size_t parentheses_ = 0;
  std::vector<FilterStep> steps_;
};

absl::Status FilterParser::Advance() {
  absl::StatusOr<Token> token = lexer_.Next();
  if (!token.ok()) return token.status();
  token_ = *std::move(token);
  return absl::OkStatus();
}

absl::Status FilterParser::Expected(std::string_view what) const {
  const bool end = token_.kind == Token::Kind::kEnd;
  return ErrorAt(token_.column, absl::StrCat(std::string(what), " is expected here, not ",
                                             end ? "the end" : model::Quote(token_.text)));
}

absl::Status FilterParser::Expect(std::string_view what) {
  if (!token_.Is(what)) return Expected(model::Quote(what));
  return Advance();
}

absl::StatusOr<std::vector<FilterStep>> FilterParser::Parse() {
  if (absl::Status status = Advance(); !status.ok()) return status;
  if (absl::Status status = ParseOr(/*negated=*/false); !status.ok()) return status;
  if (token_.kind != Token::Kind::kEnd) return Expected("'and', 'or' or the end");
  return std::move(steps_);
}

absl::Status FilterParser::ParseOr(bool negated) {
  if (absl::Status status = ParseAnd(negated); !status.ok()) return status;
  while (token_.Is("or")) {
    FilterStep step;
    step.kind = negated ? Kind::kAnd : Kind::kOr;
    step.column = token_.column;
    if (absl::Status status = Advance(); !status.ok()) return status;
    if (absl::Status status = ParseAnd(negated); !status.ok()) return status;
    steps_.push_back(std::move(step));
  }
  return absl::OkStatus();
}

absl::Status FilterParser::ParseAnd(bool negated) {
  if (absl::Status status = ParseTerm(negated); !status.ok()) return status;
  while (token_.Is("and")) {
    FilterStep step;
    step.kind = negated ? Kind::kOr : Kind::kAnd;
    step.column = token_.column;
    if (absl::Status status = Advance(); !status.ok()) return status;
    if (absl::Status status = ParseTerm(negated); !status.ok()) return status;
    steps_.push_back(std::move(step));
  }
  return absl::OkStatus();
}

absl::Status FilterParser::ParseTerm(bool negated) {
  while (token_.Is("not")) {
    negated = !negated;
    if (absl::Status status = Advance(); !status.ok()) return status;
  }
  if (!token_.Is("(")) return ParseLeaf(negated);
  if (++parentheses_ > kMaxParentheses)
    return ErrorAt(token_.column, absl::StrCat("more than ", kMaxParentheses, " parentheses"));
  if (absl::Status status = Advance(); !status.ok()) return status;
  if (absl::Status status = ParseOr(negated); !status.ok()) return status;
  return Expect(")");
}

absl::Status FilterParser::ParseLeaf(bool negated) {
  if (!token_.IsName()) return Expected("an attribute, 'not' or '('");
  FilterStep step;
  step.attribute = token_.text;
  step.column = token_.column;
  if (absl::Status status = Advance(); !status.ok()) return status;
  if (token_.Is("not")) {
    negated = !negated;
    if (absl::Status status = Advance(); !status.ok()) return status;
  } else if (!token_.Is("in")) {
    return Expected("'in' or 'not in'");
  }
  if (absl::Status status = Expect("in"); !status.ok()) return status;
  if (absl::Status status = ParseValues(step.values); !status.ok()) return status;
  step.kind = negated ? Kind::kNotIn : Kind::kIn;
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status FilterParser::ParseValues(std::vector<std::string>& values) {
  if (!token_.Is("{")) return Expected("'{'");
  do {
    if (absl::Status status = Advance(); !status.ok()) return status;
    if (token_.kind != Token::Kind::kWord && token_.kind != Token::Kind::kQuoted)
      return Expected("a value");
    values.push_back(std::move(token_.text));
    if (absl::Status status = Advance(); !status.ok()) return status;
  } while (token_.Is(","));
  if (!token_.Is("}")) return Expected("',' or '}'");
  return Advance();
}

absl::Status ApplyStep(const FilterStep& step, model::ItemFilter& filter) {
  const std::vector<std::string_view> values(step.values.begin(), step.values.end());
  switch (step.kind) {
    case FilterStep::Kind::kIn:
      return filter.AttributeIn(step.attribute, values);
    case FilterStep::Kind::kNotIn:
      return filter.AttributeNotIn(step.attribute, values);
    case FilterStep::Kind::kAnd:
      return filter.And(2);
    case FilterStep::Kind::kOr:
      return filter.Or(2);
  }
  return absl::InternalError("unknown operation of a filter");
}

}  // namespace

absl::StatusOr<std::vector<FilterStep>> ParseFilter(std::string_view text) {
  return FilterParser(text).Parse();
}

absl::Status ApplyFilter(const std::vector<FilterStep>& steps,
                         const model::FoldedCatalogue& catalogue, model::ItemFilter& filter) {
  filter.Begin(catalogue);
  for (const FilterStep& step : steps) {
    const absl::Status status = ApplyStep(step, filter);
    if (!status.ok()) return ErrorAt(step.column, std::string(status.message()));
  }
  return filter.End();
}

}  // namespace fmserve::tools
