// From a table of items to a catalogue.
#ifndef FMSERVE_TOOLS_CATALOGUE_BUILDER_H_
#define FMSERVE_TOOLS_CATALOGUE_BUILDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/item_ids.h"

namespace fmserve::tools {

struct CatalogueBuild {
  std::string weights;  // weight file whose schema the features are for; "": none
  std::string schema;   // YAML; "": as the weight file says
  std::string data;     // one row per item
  std::string id;       // column
  std::string out;
  std::vector<std::string> attributes;   // columns
  std::string bid;                       // column; "": no bids
  std::string model;                     // "": as the weight file says, else "fm"
  std::optional<model::IdType> id_type;  // nothing: that of the id column's field, else strings
};

// Encodes the items as the trainer encodes rows and writes the catalogue, whole or not at all.
// A column of attributes that is a field is taken apart as the field is: a categorical cell is one
// value, the values of a list are one each, without their weights; other columns are lists.
// Holds all items in memory. `progress` is called with the number of rows read.
//
// InvalidArgument names the file and the line of a malformed row, an id that is no id or stands
// there again, a value that the field refuses, a bid that is negative or no number; or the field of
// the item side whose mean only a weight file knows. Otherwise the errors of the files.
absl::Status BuildCatalogue(const CatalogueBuild& build,
                            const std::function<void(uint64_t rows)>& progress);

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_CATALOGUE_BUILDER_H_
