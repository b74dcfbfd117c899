// A data file in pieces of whole records, which can be parsed side by side.
#ifndef FMSERVE_TRAINER_CHUNK_STREAM_H_
#define FMSERVE_TRAINER_CHUNK_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "trainer/input_stream.h"
#include "trainer/schema_yaml.h"

namespace fmserve::trainer {

// A file of its own: the header of the whole one, if that has one, and some of its records.
struct Chunk {
  std::string path;          // of the whole file
  uint64_t file_number = 0;  // of the file in its data set (row_shard.h)
  TableFormat format = TableFormat::kTsv;
  std::string text;
  uint64_t lines_before = 0;  // what to add to a line number of `text` for that of the whole file;
                              // not for the header's
};

// One thread. A chunk of the usual size is as much work as is worth handing to another thread.
class ChunkStream {
 public:
  static constexpr size_t kChunkBytes = size_t{1} << 20;

  // Opens a plain, gzip or zstd file. Errors of InputStream::Open; InvalidArgument when neither the
  // schema nor the name of the file tells its format.
  static absl::StatusOr<std::unique_ptr<ChunkStream>> Open(const std::string& path,
                                                           const TrainingSchema& schema,
                                                           size_t chunk_bytes = kChunkBytes);

  // Sets `chunk` to the next piece, of about chunk_bytes and at least one record; false at the end.
  // A file without records is one chunk. A record that is longer than readers take (line_reader.h)
  // may be cut: they refuse it anyway. Errors of InputStream::Read.
  absl::StatusOr<bool> Next(Chunk* chunk);

 private:
  ChunkStream(std::string path, TableFormat format, std::unique_ptr<InputStream> input,
              size_t chunk_bytes)
      : path_(std::move(path)),
        format_(format),
        input_(std::move(input)),
        chunk_bytes_(chunk_bytes) {}

  absl::Status ReadMore();
  absl::Status TakeHeader();

  const std::string path_;
  const TableFormat format_;
  const std::unique_ptr<InputStream> input_;
  const size_t chunk_bytes_;
  std::string rest_;  // what was read and not handed out; begins with a record
  std::string header_;
  uint64_t header_lines_ = 0;
  uint64_t lines_done_ = 0;  // header and records handed out
  bool begun_ = false;
  bool ended_ = false;  // nothing more to read
};

}  // namespace fmserve::trainer

#endif  // FMSERVE_TRAINER_CHUNK_STREAM_H_
