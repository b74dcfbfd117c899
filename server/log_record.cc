#include "server/log_record.h"

#include <bit>
#include <cstring>

#include "fmserve/v1/log.pb.h"

namespace fmserve::server {
namespace {

using v1::PredictionRecord;

// https://protobuf.dev/programming-guides/encoding
enum WireType : uint8_t { kFixed64 = 1, kLengthDelimited = 2 };

constexpr char Tag(int field, WireType type) { return static_cast<char>(field << 3 | type); }

constexpr size_t kTimeBytes = 1 + sizeof(uint64_t);

size_t VarintBytes(uint64_t value) {
  return static_cast<size_t>(std::bit_width(value | 1) + 6) / 7;
}

char* WriteVarint(uint64_t value, char* out) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

size_t SizeOf(std::span<const grpc::Slice> message) {
  size_t bytes = 0;
  for (const grpc::Slice& slice : message) bytes += slice.size();
  return bytes;
}

size_t FieldBytes(std::span<const grpc::Slice> message) {
  const size_t bytes = SizeOf(message);
  return 1 + VarintBytes(bytes) + bytes;
}

char* WriteMessage(int field, std::span<const grpc::Slice> message, char* out) {
  *out++ = Tag(field, kLengthDelimited);
  out = WriteVarint(SizeOf(message), out);
  for (const grpc::Slice& slice : message) {
    std::memcpy(out, slice.begin(), slice.size());
    out += slice.size();
  }
  return out;
}

}  // namespace

size_t LogRecordBytes(const LoggedCall& call) {
  return kTimeBytes + FieldBytes(call.request) + FieldBytes(call.response);
}

void WriteLogRecord(const LoggedCall& call, char* out) {
  const bool is_predict = call.kind == CallKind::kPredict;
  *out++ = Tag(PredictionRecord::kTimeUnixUsFieldNumber, kFixed64);
  for (int shift = 0; shift < 64; shift += 8)
    *out++ = static_cast<char>(call.time_unix_us >> shift);
  out = WriteMessage(is_predict ? PredictionRecord::kPredictRequestFieldNumber
                                : PredictionRecord::kTopKRequestFieldNumber,
                     call.request, out);
  WriteMessage(is_predict ? PredictionRecord::kPredictResponseFieldNumber
                          : PredictionRecord::kTopKResponseFieldNumber,
               call.response, out);
}

void AppendVarint(uint64_t value, std::string* out) {
  char bytes[10];
  out->append(bytes, static_cast<size_t>(WriteVarint(value, bytes) - bytes));
}

}  // namespace fmserve::server
