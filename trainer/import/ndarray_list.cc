#include "trainer/import/ndarray_list.h"

#include <cstring>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/text.h"
#include "trainer/import/byte_cursor.h"

namespace fmserve::trainer {
namespace {

constexpr uint64_t kListMagic = 0x112;
constexpr uint32_t kV1 = 0xf993fac8;
constexpr uint32_t kV2 = 0xf993fac9;
constexpr uint32_t kV3 = 0xf993faca;
constexpr uint64_t kMaxArrays = 4096;
constexpr uint64_t kMaxNameBytes = 1024;
constexpr int32_t kMaxDimensions = 8;

enum Storage : int32_t { kDense = 0, kRowSparse = 1, kCsr = 2 };

using Shape = std::vector<uint64_t>;

struct DataType {
  uint64_t size_bytes = 0;
  std::optional<NumberType> number{};  // nothing: integers
};

DataType ReadDataType(ByteCursor& cursor) {
  switch (const auto dtype = cursor.Read<int32_t>("a data type")) {
    case 0:
      return {4, NumberType::kF32};
    case 1:
      return {8, NumberType::kF64};
    case 2:
      return {2, NumberType::kF16};
    case 3:
    case 5:
      return {1, std::nullopt};
    case 4:
      return {4, std::nullopt};
    case 6:
      return {8, std::nullopt};
    default:
      cursor.Fail(absl::StrCat("data type ", dtype, ", not 0 to 6"));
      return {};
  }
}

// Nothing for an unknown shape, which has -1 dimensions.
std::optional<Shape> ReadShape(ByteCursor& cursor, int32_t fewest_dimensions = 0) {
  const auto dimensions = cursor.Read<int32_t>("the number of dimensions");
  if (dimensions < fewest_dimensions || dimensions > kMaxDimensions) {
    cursor.Fail(
        absl::StrCat(dimensions, " dimensions, not ", fewest_dimensions, " to ", kMaxDimensions));
  }
  if (dimensions < 0) return std::nullopt;
  Shape shape;
  for (int32_t d = 0; cursor.ok() && d < dimensions; ++d) {
    const auto length = cursor.Read<int64_t>("a dimension");
    if (length < 0) cursor.Fail(absl::StrCat("a dimension of ", length));
    shape.push_back(static_cast<uint64_t>(length));
  }
  return shape;
}

Shape ReadShapeV0(ByteCursor& cursor, uint32_t dimensions) {
  if (dimensions > static_cast<uint32_t>(kMaxDimensions)) {
    cursor.Fail(absl::StrCat("neither a magic number nor a number of dimensions: ", dimensions));
  }
  Shape shape;
  for (uint32_t d = 0; cursor.ok() && d < dimensions; ++d) {
    shape.push_back(cursor.Read<uint32_t>("a dimension"));
  }
  return shape;
}

// The bytes of an array of that shape; all that is left, and a failure, when there are fewer.
std::string_view TakeArray(ByteCursor& cursor, const Shape& shape, uint64_t size_bytes,
                           std::string_view what) {
  uint64_t bytes = size_bytes;
  for (const uint64_t length : shape) {
    const bool too_many = length != 0 && bytes > std::numeric_limits<uint64_t>::max() / length;
    bytes = too_many ? std::numeric_limits<uint64_t>::max() : bytes * length;
  }
  return cursor.Take(bytes, what);
}

struct IndexArray {
  uint64_t size_bytes = 0;  // of an element
  Shape shape;
};

// Of a row-sparse array: the numbers of the rows that it has.
std::vector<uint64_t> ReadRowIds(ByteCursor& cursor, const IndexArray& index, uint64_t rows) {
  std::vector<uint64_t> ids;
  for (uint64_t i = 0; cursor.ok() && i < index.shape[0]; ++i) {
    const int64_t id = index.size_bytes == sizeof(int32_t) ? cursor.Read<int32_t>("a row number")
                                                           : cursor.Read<int64_t>("a row number");
    const auto row = static_cast<uint64_t>(id);
    if (id < 0 || row >= rows) {
      cursor.Fail(absl::StrCat("row ", id, " of an array with ", rows));
    } else if (!ids.empty() && row <= ids.back()) {
      cursor.Fail(absl::StrCat("row ", row, " comes after row ", ids.back()));
    }
    ids.push_back(row);
  }
  return ids;
}

// Whether rows of `stored`, numbered by `index`, are rows of an array of this shape.
bool RowsFit(const Shape& stored, const Shape& shape, const IndexArray& index) {
  const bool wide = index.size_bytes == sizeof(int32_t) || index.size_bytes == sizeof(int64_t);
  return wide && index.shape.size() == 1 && !shape.empty() && stored.size() == shape.size() &&
         stored[0] == index.shape[0] && stored[0] <= shape[0] &&
         Shape(stored.begin() + 1, stored.end()) == Shape(shape.begin() + 1, shape.end());
}

struct Header {
  int32_t storage = kDense;
  Shape stored{};  // of a sparse array
  bool empty = false;
};

Header ReadHeader(ByteCursor& cursor, NdArray& array) {
  Header header;
  const auto magic = cursor.Read<uint32_t>("an array");
  if (magic == kV2 || magic == kV3) {
    header.storage = cursor.Read<int32_t>("the kind of storage");
    if (header.storage < kDense || header.storage > kCsr) {
      cursor.Fail(absl::StrCat("storage ", header.storage, ", not 0 to 2"));
    }
    if (header.storage != kDense) header.stored = ReadShape(cursor).value_or(Shape());
    const std::optional<Shape> shape = ReadShape(cursor, magic == kV3 ? -1 : 0);
    array.shape = shape.value_or(Shape());
    // Under V3 an array without dimensions is a single number.
    header.empty = !shape || (array.shape.empty() && magic == kV2);
  } else {
    array.shape = magic == kV1 ? ReadShape(cursor).value_or(Shape()) : ReadShapeV0(cursor, magic);
    header.empty = array.shape.empty();
  }
  return header;
}

std::vector<IndexArray> ReadIndexHeaders(ByteCursor& cursor, int32_t storage) {
  std::vector<IndexArray> arrays(static_cast<size_t>(storage));  // 1 of row-sparse, 2 of CSR
  for (IndexArray& index : arrays) {
    index.size_bytes = ReadDataType(cursor).size_bytes;
    index.shape = ReadShape(cursor).value_or(Shape());
  }
  return arrays;
}

// Takes the data, and the index arrays behind it.
void ReadData(ByteCursor& cursor, const Header& header, const DataType& type,
              const std::vector<IndexArray>& indices, NdArray& array) {
  array.data_offset = cursor.position();
  const Shape& stored = header.storage == kDense ? array.shape : header.stored;
  array.data = TakeArray(cursor, stored, type.size_bytes, "the data of an array");
  if (header.storage == kRowSparse) {
    if (cursor.ok() && !RowsFit(stored, array.shape, indices[0])) {
      cursor.Fail("the rows of a row-sparse array do not fit its shape");
    }
    array.row_ids = ReadRowIds(cursor, indices[0], array.shape.empty() ? 0 : array.shape[0]);
    array.row_sparse = cursor.ok() && array.row_ids.size() < array.shape[0];
    if (!array.row_sparse) array.row_ids.clear();
  } else {
    for (const IndexArray& index : indices) {
      TakeArray(cursor, index.shape, index.size_bytes, "the indices of an array");
    }
  }
  if (header.storage == kCsr) array.data = {};
  array.type = header.storage == kCsr ? std::nullopt : type.number;
}

NdArray ReadArray(ByteCursor& cursor) {
  NdArray array;
  const Header header = ReadHeader(cursor, array);
  if (!cursor.ok() || header.empty) return array;
  cursor.Read<int64_t>("the device");
  const DataType type = ReadDataType(cursor);
  const std::vector<IndexArray> indices = ReadIndexHeaders(cursor, header.storage);
  if (cursor.ok()) ReadData(cursor, header, type, indices, array);
  return array;
}

std::string WithoutPrefix(std::string_view name) {
  for (const std::string_view prefix : {"arg:", "aux:"}) {
    if (name.starts_with(prefix)) return std::string(name.substr(prefix.size()));
  }
  return std::string(name);
}

void ReadNames(ByteCursor& cursor, std::vector<NdArray>& arrays) {
  const auto count = cursor.Read<uint64_t>("the number of names");
  if (count != 0 && count != arrays.size()) {
    cursor.Fail(absl::StrCat(count, " names of ", arrays.size(), " arrays"));
  }
  absl::flat_hash_set<std::string> known;
  for (uint64_t i = 0; cursor.ok() && i < count; ++i) {
    const auto size = cursor.Read<uint64_t>("the length of a name");
    if (size > kMaxNameBytes) {
      cursor.Fail(
          absl::StrCat("a name of ", size, " bytes, more than the ", kMaxNameBytes, " allowed"));
    }
    arrays[i].name = WithoutPrefix(cursor.Take(size, "a name"));
    if (cursor.ok() && !known.insert(arrays[i].name).second) {
      cursor.Fail(absl::StrCat("the name ", model::Quote(arrays[i].name), " stands twice"));
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<NdArray>> ReadNdArrayList(std::string_view bytes) {
  ByteCursor cursor(bytes);
  if (const auto magic = cursor.Read<uint64_t>("the magic number"); magic != kListMagic) {
    cursor.Fail(absl::StrCat("the magic number is ", magic, ", not ", kListMagic));
  }
  cursor.Read<uint64_t>("the reserved number");
  const auto count = cursor.Read<uint64_t>("the number of arrays");
  if (count > kMaxArrays) {
    cursor.Fail(absl::StrCat(count, " arrays, more than the ", kMaxArrays, " allowed"));
  }
  std::vector<NdArray> arrays;
  for (uint64_t i = 0; cursor.ok() && i < count; ++i) arrays.push_back(ReadArray(cursor));
  ReadNames(cursor, arrays);
  cursor.ExpectEnd();
  if (!cursor.ok()) return cursor.status();
  return arrays;
}

}  // namespace fmserve::trainer
