// Model files of other tools, as tests/tools/model_files.py writes them.
#ifndef FMSERVE_TESTS_TRAINER_IMPORT_FILES_H_
#define FMSERVE_TESTS_TRAINER_IMPORT_FILES_H_

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace fmserve::trainer {

// A seed of a fuzz target: "libfm_text", "whole".
inline std::string Seed(const std::string& reader, const std::string& name) {
  std::ifstream in("tests/fuzz/" + reader + "_fuzz_corpus/" + name, std::ios::binary);
  EXPECT_TRUE(in) << reader << "/" << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// `bytes` with `value` at `offset`.
template <typename T>
std::string With(std::string bytes, size_t offset, T value) {
  EXPECT_LE(offset + sizeof(value), bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

// `text` with the first `old` replaced.
inline std::string Replaced(std::string text, std::string_view old, std::string_view with) {
  const size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), with);
}

}  // namespace fmserve::trainer

#endif  // FMSERVE_TESTS_TRAINER_IMPORT_FILES_H_
