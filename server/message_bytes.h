// Messages to and from the bytes that a raw method gets and gives.
#ifndef FMSERVE_SERVER_MESSAGE_BYTES_H_
#define FMSERVE_SERVER_MESSAGE_BYTES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/proto_buffer_writer.h"

namespace fmserve::server {

// InvalidArgument when these are not the bytes of such a message; it then holds what was read.
inline absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                                 google::protobuf::Message* message) {
  grpc::ByteBuffer same_bytes(bytes);  // another reference: reading clears it
  if (grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&same_bytes, message).ok())
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the request is not a ", message->GetTypeName(), ": its bytes do not parse"));
}

// A copy of the bytes; "" when gRPC cannot give them.
inline std::string CopyBytes(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string copy;
  if (!bytes.Dump(&slices).ok()) return copy;
  copy.reserve(bytes.Length());
  for (const grpc::Slice& slice : slices)
    copy.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return copy;
}

inline absl::Status SerializeMessage(const google::protobuf::Message& message,
                                     grpc::ByteBuffer* bytes) {
  bool own_buffer = false;
  if (grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, bytes, &own_buffer)
          .ok()) {
    return absl::OkStatus();
  }
  return absl::InternalError("the answer could not be written as bytes");
}

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_MESSAGE_BYTES_H_
