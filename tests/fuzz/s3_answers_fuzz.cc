// libFuzzer: whatever a server answers and whatever stands in ~/.aws, the parsers return, and what
// they hand out is complete.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "s3/answers.h"
#include "s3/credential_providers.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"
#include "s3/profile.h"

namespace {

void Require(bool holds) {
  if (!holds) abort();
}

void ParseAll(std::string_view text) {
  using namespace fmserve::s3;  // NOLINT(google-build-using-namespace): of this function alone
  (void)ParseError(text);
  if (const auto page = ParseListPage(text); page.ok()) {
    for (const ListedObject& object : page->objects) Require(!object.key.empty());
  }
  if (const auto page = ParseUploadsPage(text); page.ok()) {
    for (const Upload& upload : page->uploads) Require(!upload.upload_id.empty());
  }
  if (const auto id = ParseUploadId(text); id.ok()) Require(!id->empty());
  (void)ParseCompletedEtag(text);
  for (const auto& credentials : {ParseAssumedRole(text), ParseCredentialsJson(text)}) {
    if (credentials.ok()) Require(!credentials->secret_access_key.empty());
  }
  Require(UriDecode(UriEncode(text)) == text);
  Require(Quoted(text).size() <= 303);
  for (const bool is_config : {false, true}) {
    const SectionSettings section = ParseSection(text, "default", is_config);
    Require(section.found || section.settings.empty());
  }
  if (const auto endpoint = ParseEndpoint(std::string(text)); endpoint.ok()) {
    Require(!endpoint->host.empty());
  }
  if (const auto location = ParseUrl(text); location.ok()) Require(location->bucket.size() >= 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ParseAll({reinterpret_cast<const char*>(data), size});
  return 0;
}
