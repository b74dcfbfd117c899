#include "server/schema_message.h"

namespace fmserve::server {
namespace {

v1::FieldKind ToProto(model::FieldKind kind) {
  switch (kind) {
    case model::FieldKind::kCategorical:
      return v1::FIELD_KIND_CATEGORICAL;
    case model::FieldKind::kMultiValued:
      return v1::FIELD_KIND_MULTI_VALUED;
    case model::FieldKind::kNumeric:
      return v1::FIELD_KIND_NUMERIC;
    case model::FieldKind::kDenseVector:
      return v1::FIELD_KIND_DENSE_VECTOR;
  }
  return v1::FIELD_KIND_UNSPECIFIED;
}

v1::ValueType ValueTypeOf(const model::Field& field) {
  if (field.kind != model::FieldKind::kCategorical &&
      field.kind != model::FieldKind::kMultiValued) {
    return v1::VALUE_TYPE_UNSPECIFIED;
  }
  return field.value_type == model::ValueType::kString ? v1::VALUE_TYPE_STRING
                                                       : v1::VALUE_TYPE_INTEGER;
}

}  // namespace

void AppendSchema(const model::FeatureSchema& schema,
                  google::protobuf::RepeatedPtrField<v1::SchemaField>* fields) {
  for (const model::Field& field : schema.fields()) {
    v1::SchemaField* out = fields->Add();
    out->set_name(field.name);
    out->set_kind(ToProto(field.kind));
    out->set_value_type(ValueTypeOf(field));
    out->set_side(field.side == model::Side::kContext ? v1::FIELD_SIDE_CONTEXT
                                                      : v1::FIELD_SIDE_ITEM);
    out->set_weighted(field.weighted);
    out->set_dimension(field.dimension);
  }
}

}  // namespace fmserve::server
