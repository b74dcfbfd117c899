// A record of the prediction log as bytes: the messages of a call as they came and went, with the
// time before them. Nothing is parsed or serialised for it.
#ifndef FMSERVE_SERVER_LOG_RECORD_H_
#define FMSERVE_SERVER_LOG_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "grpcpp/support/slice.h"
#include "server/scoring_threads.h"

namespace fmserve::server {

// Of log.proto's PredictionRecord, what is known when a call is answered.
struct LoggedCall {
  CallKind kind = CallKind::kPredict;
  uint64_t time_unix_us = 0;
  std::span<const grpc::Slice> request = {};   // bytes of a PredictRequest or TopKRequest
  std::span<const grpc::Slice> response = {};  // of its response
};

// How many bytes WriteLogRecord writes.
size_t LogRecordBytes(const LoggedCall& call);

// The bytes of a PredictionRecord. More fields may be appended as bytes of another one.
void WriteLogRecord(const LoggedCall& call, char* out);

// Appends `value` as a varint: what stands before each record of a file.
void AppendVarint(uint64_t value, std::string* out);

}  // namespace fmserve::server

#endif  // FMSERVE_SERVER_LOG_RECORD_H_
