// Reads the pages that describe the file formats, for the tests that hold them against the code.
#ifndef FMSERVE_TESTS_MODEL_FORMAT_PAGE_H_
#define FMSERVE_TESTS_MODEL_FORMAT_PAGE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace fmserve::model {

class FormatPage {
 public:
  // An empty page when there is none at `path`.
  explicit FormatPage(const std::string& path);

  const std::vector<std::string>& lines() const { return lines_; }

  // Cells of the first table after the line `heading`, without backticks and without the two rows
  // that name its columns; nothing when there is none.
  std::vector<std::vector<std::string>> Table(const std::string& heading) const;

  // The bytes of the page's hex dump, which has the form of `hexdump -C`.
  std::vector<std::byte> HexDump() const;

 private:
  std::vector<std::string> lines_;
};

}  // namespace fmserve::model

#endif  // FMSERVE_TESTS_MODEL_FORMAT_PAGE_H_
