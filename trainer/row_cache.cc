#include "trainer/row_cache.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/dataset.h"
#include "trainer/row_block.h"

namespace fmserve::trainer {
namespace {

using Index = nlohmann::json;

constexpr std::string_view kRowsMagic = "fmrows01";
constexpr uint64_t kMaxIndexBytes = uint64_t{1} << 36;

struct Tail {
  uint64_t offset;
  uint64_t bytes;
  model::Checksum of_index;
  model::Checksum of_tail;  // of the bytes before it
};
static_assert(sizeof(Tail) == 48);

std::span<const std::byte> CheckedBytes(const Tail& tail) {
  return std::as_bytes(std::span(&tail, 1)).first(offsetof(Tail, of_tail));
}

template <typename T>
Index Column(std::span<const T> values) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(values.data());
  return Index::binary(std::vector<uint8_t>(bytes, bytes + values.size_bytes()));
}

// Throws when it is no column of such values.
template <typename T>
std::vector<T> ColumnOf(const Index& json) {
  const std::vector<uint8_t>& bytes = json.get_binary();
  std::vector<T> values(bytes.size() / sizeof(T));
  if (bytes.size() % sizeof(T) != 0) throw std::range_error("a column ends early");
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Index VocabularyIndex(const Vocabulary& vocabulary) {
  std::vector<uint64_t> counts;
  std::vector<uint32_t> value_bytes;
  std::string values;
  for (size_t row = 0; row < vocabulary.size(); ++row) {
    const Feature& feature = vocabulary[row];
    counts.push_back(feature.count);
    value_bytes.push_back(static_cast<uint32_t>(feature.value.size()));
    values += feature.value;
  }
  return {{"keys", Column<uint64_t>(vocabulary.keys())},
          {"fields", Column<uint8_t>(vocabulary.fields())},
          {"counts", Column<uint64_t>(counts)},
          {"value_bytes", Column<uint32_t>(value_bytes)},
          {"values", Column<char>(values)}};
}

void AddVocabulary(const Index& index, size_t fields_count, Vocabulary& vocabulary) {
  const auto keys = ColumnOf<uint64_t>(index.at("keys"));
  const auto fields = ColumnOf<uint8_t>(index.at("fields"));
  const auto counts = ColumnOf<uint64_t>(index.at("counts"));
  const auto value_bytes = ColumnOf<uint32_t>(index.at("value_bytes"));
  const auto values = ColumnOf<char>(index.at("values"));
  const size_t size = keys.size();
  if (fields.size() != size || counts.size() != size || value_bytes.size() != size)
    throw std::range_error("columns of different lengths");
  size_t begin = 0;
  for (size_t row = 0; row < size; ++row) {
    if (fields[row] >= fields_count || value_bytes[row] > values.size() - begin)
      throw std::range_error("a feature of no field, or without its value");
    if (vocabulary.Add(keys[row], fields[row], counts[row]) != row)
      throw std::range_error("a feature twice");
    vocabulary[row].value.assign(&values[begin], value_bytes[row]);
    begin += value_bytes[row];
  }
}

Index BlocksIndex(const std::vector<CachedBlock>& blocks) {
  Index json = Index::array();
  for (const CachedBlock& block : blocks) {
    json.push_back({block.offset, block.bytes, block.examples,
                    Column<uint8_t>(std::span<const uint8_t>(block.checksum))});
  }
  return json;
}

std::vector<CachedBlock> BlocksOf(const Index& json, uint64_t end) {
  std::vector<CachedBlock> blocks;
  for (const Index& entry : json) {
    CachedBlock block = {.offset = entry.at(0).get<uint64_t>(),
                         .bytes = entry.at(1).get<uint64_t>(),
                         .examples = entry.at(2).get<uint64_t>()};
    const auto checksum = ColumnOf<uint8_t>(entry.at(3));
    if (block.offset > end || block.bytes > end - block.offset ||
        checksum.size() != block.checksum.size() || block.examples == 0) {
      throw std::range_error("a block outside the file");
    }
    std::copy(checksum.begin(), checksum.end(), block.checksum.begin());
    blocks.push_back(block);
  }
  return blocks;
}

absl::Status DamagedRows(const std::string& path, std::string_view what) {
  return absl::DataLossError(
      absl::StrCat(path, ": not a cache of rows, or a damaged one: ", std::string(what)));
}

// The index, in bytes; empty when the file is none.
std::span<const std::byte> FindIndex(std::span<const std::byte> file) {
  Tail tail;
  if (file.size() < kRowsMagic.size() + sizeof(tail) ||
      std::memcmp(file.data(), kRowsMagic.data(), kRowsMagic.size()) != 0) {
    return {};
  }
  std::memcpy(&tail, file.data() + file.size() - sizeof(tail), sizeof(tail));
  const uint64_t end = file.size() - sizeof(tail);
  if (model::ChecksumOf(CheckedBytes(tail)) != tail.of_tail || tail.offset > end ||
      tail.bytes != end - tail.offset || tail.bytes > kMaxIndexBytes) {
    return {};
  }
  const std::span<const std::byte> index = file.subspan(tail.offset, tail.bytes);
  return model::ChecksumOf(index) == tail.of_index ? index : std::span<const std::byte>();
}

}  // namespace

absl::StatusOr<RowCacheWriter> RowCacheWriter::Create(const std::string& path,
                                                      uint64_t block_bytes) {
  // Under one name, so that what a killed process left is overwritten.
  const std::string temporary_path = path + ".tmp";
  unlink(temporary_path.c_str());
  absl::StatusOr<model::AtomicFile> file = model::AtomicFile::Resume(path, temporary_path);
  if (!file.ok()) return file.status();
  absl::Status status = file->Append(std::as_bytes(std::span(kRowsMagic)));
  if (!status.ok()) return status;
  return RowCacheWriter(*std::move(file), block_bytes);
}

absl::Status RowCacheWriter::Add(const Examples& examples) {
  totals_.Add(examples.labels, examples.weights);
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::span<const Entry> entries = examples[i];
    block_.labels.push_back(examples.labels[i]);
    if (!examples.weights.empty()) block_.weights.push_back(examples.weights[i]);
    block_.entries.insert(block_.entries.end(), entries.begin(), entries.end());
    block_.ends.push_back(block_.entries.size());
    if (block_.entries.size() * sizeof(Entry) + block_.size() * 16 < block_bytes_) continue;
    if (absl::Status status = WriteBlock(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RowCacheWriter::WriteBlock() {
  if (block_.size() == 0) return absl::OkStatus();
  const std::vector<std::byte> bytes = EncodeBlock(block_);
  blocks_.push_back({.offset = file_.size_bytes(),
                     .bytes = bytes.size(),
                     .examples = block_.size(),
                     .checksum = model::ChecksumOf(bytes)});
  block_.labels.clear();
  block_.weights.clear();
  block_.ends.clear();
  block_.entries.clear();
  return file_.Append(bytes);
}

absl::Status RowCacheWriter::Finish(const std::string& identity, const TrainingData& data) {
  if (absl::Status status = WriteBlock(); !status.ok()) return status;
  Index samples = Index::array();
  for (const RawRow& row : data.samples) {
    Index cells = Index::array();
    for (const std::string& cell : row) cells.push_back(Column<char>(cell));
    samples.push_back(std::move(cells));
  }
  const Index index = {{"identity", identity},
                       {"schema", Column<char>(data.schema.Serialize())},
                       {"vocabulary", VocabularyIndex(data.vocabulary)},
                       {"samples", std::move(samples)},
                       {"missing", data.missing_by_field},
                       {"entries", data.entries_count},
                       {"totals", {totals_.weights, totals_.labels}},
                       {"blocks", BlocksIndex(blocks_)}};
  const std::vector<uint8_t> bytes = Index::to_msgpack(index);
  Tail tail = {.offset = file_.size_bytes(),
               .bytes = bytes.size(),
               .of_index = model::ChecksumOf(std::as_bytes(std::span(bytes))),
               .of_tail = {}};
  tail.of_tail = model::ChecksumOf(CheckedBytes(tail));
  absl::Status status = file_.Append(std::as_bytes(std::span(bytes)));
  if (status.ok()) status = file_.Append(std::as_bytes(std::span(&tail, 1)));
  return status.ok() ? file_.Commit() : status;
}

absl::StatusOr<std::unique_ptr<RowCache>> RowCache::Open(const std::string& path,
                                                         const std::string& identity,
                                                         TrainingData& data) {
  absl::StatusOr<model::MappedFile> file = model::MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const std::span<const std::byte> index_bytes = FindIndex(file->bytes());
  if (index_bytes.empty()) return DamagedRows(path, "its index");
  const auto offset = static_cast<uint64_t>(index_bytes.data() - file->bytes().data());
  std::unique_ptr<RowCache> cache(new RowCache(path, identity, *std::move(file)));
  try {
    const auto* const begin = reinterpret_cast<const uint8_t*>(index_bytes.data());
    const Index index = Index::from_msgpack(begin, begin + index_bytes.size());
    if (index.at("identity") != identity)
      return absl::FailedPreconditionError(absl::StrCat(path, " is of other rows"));
    cache->blocks_ = BlocksOf(index.at("blocks"), offset);
    for (const CachedBlock& block : cache->blocks_) cache->examples_ += block.examples;
    cache->totals_ = {index.at("totals").at(0).get<double>(),
                      index.at("totals").at(1).get<double>()};
    const auto schema = ColumnOf<char>(index.at("schema"));
    absl::StatusOr<model::FeatureSchema> parsed =
        model::FeatureSchema::Parse({schema.data(), schema.size()});
    if (!parsed.ok()) return DamagedRows(path, std::string(parsed.status().message()));
    data.schema = *std::move(parsed);
    AddVocabulary(index.at("vocabulary"), data.schema.size(), data.vocabulary);
    data.missing_by_field = index.at("missing").get<std::vector<uint64_t>>();
    if (data.missing_by_field.size() != data.schema.size())
      return DamagedRows(path, "its counts of missing values");
    for (const Index& row : index.at("samples")) {
      RawRow& sample = data.samples.emplace_back();
      for (const Index& cell : row) {
        const auto bytes = ColumnOf<char>(cell);
        sample.emplace_back(bytes.begin(), bytes.end());
      }
      if (sample.size() != data.schema.size()) return DamagedRows(path, "its samples");
    }
    data.rows_count = cache->examples_;
    data.entries_count = index.at("entries").get<uint64_t>();
  } catch (const std::exception& error) {  // of the JSON library, and those above
    return DamagedRows(path, error.what());
  }
  return cache;
}

void RowCache::Renumber(std::span<const uint32_t> new_rows) {
  if (new_rows_.empty()) {
    new_rows_.assign(new_rows.begin(), new_rows.end());
  } else {
    for (uint32_t& row : new_rows_) row = new_rows[row];
  }
}

absl::Status RowCache::Decode(size_t block, Examples& examples) const {
  const CachedBlock& where = blocks_[block];
  const std::span<const std::byte> bytes = file_.bytes().subspan(where.offset, where.bytes);
  absl::Status status = model::ChecksumOf(bytes) == where.checksum
                            ? DecodeBlock(bytes, new_rows_, examples)
                            : absl::DataLossError("its checksum");
  // Read once an epoch: out of this process's memory, so that it stays as small as it can be.
  static const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % page_bytes;
  madvise(const_cast<std::byte*>(bytes.data()) - before, bytes.size() + before, MADV_DONTNEED);
  if (status.ok() && examples.size() == where.examples) return status;
  return DamagedRows(path_, absl::StrCat("block ", block, "; remove the file"));
}

absl::StatusOr<const Examples*> RowCache::Load(size_t block, size_t next) {
  absl::Status status;
  if (ahead_ == block) {
    status = reading_.get();
  } else {
    if (reading_.valid()) reading_.wait();
    status = Decode(block, buffers_[1 - loaded_]);
  }
  loaded_ = 1 - loaded_;
  ahead_ = SIZE_MAX;
  if (!status.ok()) return status;
  if (next < blocks_.size() && next != block) {
    ahead_ = next;
    Examples& buffer = buffers_[1 - loaded_];
    reading_ =
        std::async(std::launch::async, [this, next, &buffer] { return Decode(next, buffer); });
  }
  return &buffers_[loaded_];
}

}  // namespace fmserve::trainer
