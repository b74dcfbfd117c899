#include "bench/onnx_runtime/fm_graph.h"

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "onnx_subset.pb.h"

namespace fmserve::bench {
namespace {

constexpr int64_t kIrVersion = 8;
constexpr int64_t kOpset = 13;
enum ElementType : int32_t { kFloat = 1, kInt32 = 6, kInt64 = 7 };
enum AttributeType : int32_t { kInt = 2, kInts = 7 };

// Values of a graph are known by their names.
using Value = std::string;
using Dims = std::vector<int64_t>;

class GraphBuilder {
 public:
  GraphBuilder() {
    model_.set_ir_version(kIrVersion);
    model_.add_opset_import()->set_version(kOpset);
    graph().set_name("fm");
  }

  Value Input(const std::string& name, ElementType type, const Dims& dims) {
    Describe(graph().add_input(), name, type, dims);
    return name;
  }
  void Output(const Value& value, const Dims& dims) {
    Describe(graph().add_output(), value, kFloat, dims);
  }
  template <typename T>
  Value Constant(ElementType type, const Dims& dims, std::span<const T> values) {
    onnx::TensorProto* tensor = graph().add_initializer();
    for (const int64_t dim : dims) tensor->add_dims(dim);
    tensor->set_data_type(type);
    tensor->set_name(NewName());
    tensor->set_raw_data(values.data(), values.size_bytes());
    return tensor->name();
  }
  Value Scalar(float value) { return Constant<float>(kFloat, {}, {&value, 1}); }
  Value Integers(const Dims& values) {
    return Constant<int64_t>(kInt64, {static_cast<int64_t>(values.size())}, values);
  }

  Value Node(const std::string& op, std::initializer_list<Value> inputs,
             const std::string& name = "") {
    return AddNode(op, inputs, name)->output(0);
  }
  Value Sum(const Value& x, int64_t axis) {
    onnx::NodeProto* node = AddNode("ReduceSum", {x, Integers({axis})});
    SetKeepDims(node);
    return node->output(0);
  }
  Value SumOfSquares(const Value& x, const Dims& axes) {
    onnx::NodeProto* node = AddNode("ReduceSumSquare", {x});
    SetKeepDims(node);
    onnx::AttributeProto* attribute = node->add_attribute();
    attribute->set_name("axes");
    attribute->set_type(kInts);
    for (const int64_t axis : axes) attribute->add_ints(axis);
    return node->output(0);
  }

  std::string Serialize() const { return model_.SerializeAsString(); }

 private:
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  std::string NewName() { return absl::StrCat("t", names_count_++); }

  onnx::NodeProto* AddNode(const std::string& op, std::initializer_list<Value> inputs,
                           const std::string& name = "") {
    onnx::NodeProto* node = graph().add_node();
    node->set_op_type(op);
    for (const Value& input : inputs) node->add_input(input);
    node->add_output(name.empty() ? NewName() : name);
    return node;
  }
  static void SetKeepDims(onnx::NodeProto* node) {
    onnx::AttributeProto* attribute = node->add_attribute();
    attribute->set_name("keepdims");
    attribute->set_type(kInt);
    attribute->set_i(0);
  }
  static void Describe(onnx::ValueInfoProto* info, const std::string& name, ElementType type,
                       const Dims& dims) {
    info->set_name(name);
    onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape();
    for (const int64_t dim : dims) tensor->mutable_shape()->add_dim()->set_dim_value(dim);
  }

  onnx::ModelProto model_;
  int names_count_ = 0;
};

// Per row, v / sqrt(2), whose square is half of v's, and what is left of w.
struct FoldedTables {
  std::vector<float> v;
  std::vector<float> linear;
};

FoldedTables Fold(const FmTables& tables) {
  FoldedTables folded;
  const auto k = static_cast<size_t>(tables.k);
  for (size_t row = 0; row < static_cast<size_t>(tables.rows); ++row) {
    double square = 0.0;
    for (const float value : tables.v.subspan(row * k, k)) {
      folded.v.push_back(static_cast<float>(value * std::sqrt(0.5)));
      square += double{folded.v.back()} * folded.v.back();
    }
    folded.linear.push_back(static_cast<float>(tables.w[row] - square));
  }
  return folded;
}

std::vector<float> SideBySide(const FoldedTables& folded, size_t k) {
  std::vector<float> rows;
  for (size_t row = 0; row < folded.linear.size(); ++row) {
    const auto v = std::span(folded.v).subspan(row * k, k);
    rows.insert(rows.end(), v.begin(), v.end());
    rows.push_back(folded.linear[row]);
  }
  return rows;
}

// The inputs of a graph; `axis` is that of the features of a candidate.
struct Ids {
  Value candidates;
  int64_t axis = 1;
  Value context;  // "" for none

  bool has_context() const { return !context.empty(); }
};

Ids AddInputs(const RequestShape& shape, bool feature_major, GraphBuilder& graph) {
  Dims dims = {shape.candidates, shape.features_per_candidate};
  if (feature_major) dims = {shape.features_per_candidate, shape.candidates};
  Ids ids{graph.Input("candidates", kInt32, dims), feature_major ? 0 : 1, ""};
  if (shape.context_features > 0) {
    ids.context = graph.Input("context", kInt32, {shape.context_features});
  }
  return ids;
}

// Sums of the rows of each candidate and of the context.
Value SumRows(const Value& table, const Ids& ids, GraphBuilder& graph) {
  const Value sums = graph.Sum(graph.Node("Gather", {table, ids.candidates}), ids.axis);
  if (!ids.has_context()) return sums;
  return graph.Node("Add", {sums, graph.Sum(graph.Node("Gather", {table, ids.context}), 0)});
}

void AddTextbook(const FmTables& tables, const Ids& ids, GraphBuilder& graph) {
  const Value w = graph.Constant<float>(kFloat, {tables.rows}, tables.w);
  const Value v = graph.Constant<float>(kFloat, {tables.rows, tables.k}, tables.v);
  const Value linear = graph.Node("Add", {SumRows(w, ids, graph), graph.Scalar(tables.w0)});
  const Value candidate_rows = graph.Node("Gather", {v, ids.candidates});
  Value sums = graph.Sum(candidate_rows, ids.axis);
  Value squares = graph.SumOfSquares(candidate_rows, {ids.axis, 2});
  if (ids.has_context()) {
    const Value context_rows = graph.Node("Gather", {v, ids.context});
    sums = graph.Node("Add", {sums, graph.Sum(context_rows, 0)});
    squares = graph.Node("Add", {squares, graph.SumOfSquares(context_rows, {0, 1})});
  }
  const Value twice = graph.Node("Sub", {graph.SumOfSquares(sums, {1}), squares});
  graph.Node("Add", {linear, graph.Node("Mul", {twice, graph.Scalar(0.5F)})}, "scores");
}

void AddFoldedTwo(const FmTables& tables, const Ids& ids, GraphBuilder& graph) {
  const FoldedTables folded = Fold(tables);
  const Value v = graph.Constant<float>(kFloat, {tables.rows, tables.k}, folded.v);
  const Value w = graph.Constant<float>(kFloat, {tables.rows}, folded.linear);
  const Value linear = graph.Node("Add", {SumRows(w, ids, graph), graph.Scalar(tables.w0)});
  graph.Node("Add", {linear, graph.SumOfSquares(SumRows(v, ids, graph), {1})}, "scores");
}

void AddFoldedOne(const FmTables& tables, const Ids& ids, GraphBuilder& graph) {
  const std::vector<float> rows = SideBySide(Fold(tables), static_cast<size_t>(tables.k));
  const Value table = graph.Constant<float>(kFloat, {tables.rows, tables.k + 1}, rows);
  const Value sums = SumRows(table, ids, graph);
  const auto columns = [&](int64_t first, int64_t end) {
    return graph.Node("Slice",
                      {sums, graph.Integers({first}), graph.Integers({end}), graph.Integers({1})});
  };
  const Value linear = graph.Sum(columns(tables.k, tables.k + 1), 1);  // of one column: drops it
  graph.Node("Add",
             {graph.Node("Add", {linear, graph.Scalar(tables.w0)}),
              graph.SumOfSquares(columns(0, tables.k), {1})},
             "scores");
}

}  // namespace

std::string Name(const GraphForm& form) {
  static constexpr const char* kTables[] = {"textbook", "folded, two tables", "folded, one table"};
  return absl::StrCat(kTables[static_cast<size_t>(form.tables)],
                      form.feature_major ? ", feature-major" : ", candidate-major");
}

std::string BuildFmGraph(const FmTables& tables, const RequestShape& shape, const GraphForm& form) {
  GraphBuilder graph;
  const Ids ids = AddInputs(shape, form.feature_major, graph);
  switch (form.tables) {
    case GraphTables::kTextbook:
      AddTextbook(tables, ids, graph);
      break;
    case GraphTables::kFoldedTwo:
      AddFoldedTwo(tables, ids, graph);
      break;
    case GraphTables::kFoldedOne:
      AddFoldedOne(tables, ids, graph);
      break;
  }
  graph.Output("scores", {shape.candidates});
  return graph.Serialize();
}

}  // namespace fmserve::bench
