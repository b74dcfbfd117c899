// Reading JSON objects of our own without exceptions.
#ifndef FMSERVE_LOADER_JSON_H_
#define FMSERVE_LOADER_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace fmserve::loader {

// Takes members out of one object. The first failure sticks and names the key; ask status() at the
// end. Values are then zero or "". Does not own the object.
class JsonReader {
 public:
  explicit JsonReader(const nlohmann::json& object) : object_(object) {
    if (!object.is_object()) status_ = absl::InvalidArgumentError("not a JSON object");
  }

  uint64_t Unsigned(const char* key) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned()) return Fail<uint64_t>(key, "is not a non-negative integer");
    return *value->get_ptr<const nlohmann::json::number_unsigned_t*>();
  }

  std::string Text(const char* key) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return Fail<std::string>(key, "is not a string");
    return *value->get_ptr<const std::string*>();
  }

  // Never null; an empty array when it fails.
  const nlohmann::json& Array(const char* key) {
    static const nlohmann::json* const empty = new nlohmann::json(nlohmann::json::array());
    const nlohmann::json* const value = Find(key);
    if (value != nullptr && value->is_array()) return *value;
    if (value != nullptr) Fail<int>(key, "is not a list");
    return *empty;
  }

  // Never null; an empty object when it fails.
  const nlohmann::json& Object(const char* key) {
    static const nlohmann::json* const empty = new nlohmann::json(nlohmann::json::object());
    const nlohmann::json* const value = Find(key);
    if (value != nullptr && value->is_object()) return *value;
    if (value != nullptr) Fail<int>(key, "is not an object");
    return *empty;
  }

  double Number(const char* key) {
    const nlohmann::json* const value = Find(key);
    if (value == nullptr) return 0.0;
    if (!value->is_number()) return Fail<double>(key, "is not a number");
    return value->get<double>();
  }

  // Nothing when it is missing.
  std::optional<double> OptionalNumber(const char* key) {
    if (!object_.contains(key)) return std::nullopt;
    return Number(key);
  }

  const absl::Status& status() const { return status_; }

 private:
  const nlohmann::json* Find(const char* key) {
    if (!status_.ok()) return nullptr;
    const auto found = object_.find(key);
    if (found != object_.end()) return &*found;
    return Fail<const nlohmann::json*>(key, "is missing");
  }

  template <typename T>
  T Fail(const char* key, std::string_view what) {
    if (status_.ok())
      status_ = absl::InvalidArgumentError(absl::StrCat("\"", key, "\" ", std::string(what)));
    return T{};
  }

  const nlohmann::json& object_;
  absl::Status status_;
};

// InvalidArgument when `text` is not one JSON object.
inline absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return absl::InvalidArgumentError(json.is_discarded() ? "not valid JSON" : "not a JSON object");
}

// Members in the order in which they were added. Bytes that are not UTF-8 are replaced.
inline std::string Dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_JSON_H_
