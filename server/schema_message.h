// A model's fields as clients are told of them.
#ifndef FMSERVE_SERVER_SCHEMA_MESSAGE_H_
#define FMSERVE_SERVER_SCHEMA_MESSAGE_H_

#include "fmserve/v1/prediction.pb.h"
#include "model/feature_schema.h"

namespace fmserve::server {

void AppendSchema(const model::FeatureSchema& schema,
                  google::protobuf::RepeatedPtrField<v1::SchemaField>* fields);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_SCHEMA_MESSAGE_H_
