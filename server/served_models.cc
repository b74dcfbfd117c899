#include "server/served_models.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/text.h"

namespace fmserve::server {

void ServedModels::Add(std::unique_ptr<ServedModel> model) {
  by_name_.emplace(model->name, model.get());
  models_.push_back(std::move(model));
}

ServedModel* ServedModels::Find(absl::string_view name) const {
  if (name.empty()) return default_;
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::string ServedModels::NotServing() const {
  std::string names;
  for (const auto& model : models_) {
    if (!model->Serves()) absl::StrAppend(&names, names.empty() ? "" : ", ", model->name);
  }
  return names;
}

absl::Status ServedModels::UnknownModelError(const std::string& name) const {
  const auto append_name = [](std::string* out, const auto& model) { out->append(model->name); };
  return absl::NotFoundError(absl::StrCat("model: this server has no ", model::Quote(name),
                                          "; it has ", absl::StrJoin(models_, ", ", append_name)));
}

}  // namespace fmserve::server
