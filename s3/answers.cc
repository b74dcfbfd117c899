#include "s3/answers.h"

#include <algorithm>
#include <cstdint>
#include <pugixml.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "s3/encoding.h"

namespace fmserve::s3 {
namespace {

std::string Text(const pugi::xml_node& node, const char* child) {
  return node.child(child).text().get();
}

absl::Time Time(const pugi::xml_node& node, const char* child) {
  absl::Time time = absl::InfinitePast();
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, Text(node, child), &time, &error)) {
    return absl::InfinitePast();
  }
  return time;
}

absl::Status NotA(std::string_view expected) {
  return absl::InternalError(absl::StrCat("the server's answer is no ", ToAbsl(expected),
                                          "; is something between that is not S3?"));
}

// pugixml neither reads document types nor expands entities of their own.
class Document {
 public:
  explicit Document(std::string_view xml) {
    // S3 sends blanks while it is still busy.
    xml.remove_prefix(std::min(xml.find_first_not_of(" \t\r\n"), xml.size()));
    ok_ = document_.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  }

  // The root when it has this name, else an empty node.
  pugi::xml_node Root(const char* name) const {
    return ok_ ? document_.child(name) : pugi::xml_node();
  }

 private:
  pugi::xml_document document_;
  bool ok_ = false;
};

// Keys come in percent-encoding where the server can do it: XML 1.0 has no way to write some bytes.
std::string Decode(std::string text, bool encoded) {
  return encoded ? UriDecode(text) : std::move(text);
}

bool IsUrlEncoded(const pugi::xml_node& root) { return Text(root, "EncodingType") == "url"; }

}  // namespace

ErrorAnswer ParseError(std::string_view xml) {
  const Document document(xml);
  pugi::xml_node error = document.Root("Error");
  std::string request_id = Text(error, "RequestId");
  if (!error) {
    const pugi::xml_node response = document.Root("ErrorResponse");
    error = response.child("Error");
    request_id = Text(response, "RequestId");
  }
  return {.code = Text(error, "Code"),
          .message = Text(error, "Message"),
          .request_id = request_id,
          .region = Text(error, "Region")};
}

absl::StatusOr<ListPage> ParseListPage(std::string_view xml) {
  const Document document(xml);
  const pugi::xml_node root = document.Root("ListBucketResult");
  if (!root) return NotA("list of objects");
  const bool encoded = IsUrlEncoded(root);
  ListPage page;
  for (const pugi::xml_node& node : root.children("Contents")) {
    ListedObject object{
        .key = Decode(Text(node, "Key"), encoded),
        .info = {
            .etag = Text(node, "ETag"), .size_bytes = 0, .modified = Time(node, "LastModified")}};
    if (object.key.empty() || !absl::SimpleAtoi(Text(node, "Size"), &object.info.size_bytes)) {
      return NotA("list of objects with keys and sizes");
    }
    page.objects.push_back(std::move(object));
  }
  if (Text(root, "IsTruncated") != "true") return page;
  page.next = Text(root, "NextContinuationToken");
  if (page.next.empty()) return NotA("list that goes on");
  return page;
}

absl::StatusOr<UploadsPage> ParseUploadsPage(std::string_view xml) {
  const Document document(xml);
  const pugi::xml_node root = document.Root("ListMultipartUploadsResult");
  if (!root) return NotA("list of uploads");
  const bool encoded = IsUrlEncoded(root);
  UploadsPage page;
  for (const pugi::xml_node& node : root.children("Upload")) {
    Upload upload{.key = Decode(Text(node, "Key"), encoded),
                  .upload_id = Text(node, "UploadId"),
                  .initiated = Time(node, "Initiated")};
    if (upload.key.empty() || upload.upload_id.empty()) return NotA("list of uploads with ids");
    page.uploads.push_back(std::move(upload));
  }
  if (Text(root, "IsTruncated") != "true") return page;
  page.next_key = Decode(Text(root, "NextKeyMarker"), encoded);
  page.next_upload_id = Text(root, "NextUploadIdMarker");
  if (page.next_key.empty()) return NotA("list that goes on");
  return page;
}

absl::StatusOr<std::string> ParseUploadId(std::string_view xml) {
  std::string id = Text(Document(xml).Root("InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return NotA("upload id");
  return id;
}

absl::StatusOr<std::string> ParseCompletedEtag(std::string_view xml) {
  const Document document(xml);
  const pugi::xml_node root = document.Root("CompleteMultipartUploadResult");
  if (!root) return NotA("completed upload");
  return Text(root, "ETag");
}

absl::StatusOr<Credentials> ParseAssumedRole(std::string_view xml) {
  const Document document(xml);
  const pugi::xml_node node = document.Root("AssumeRoleWithWebIdentityResponse")
                                  .child("AssumeRoleWithWebIdentityResult")
                                  .child("Credentials");
  Credentials credentials{.access_key_id = Text(node, "AccessKeyId"),
                          .secret_access_key = Text(node, "SecretAccessKey"),
                          .session_token = Text(node, "SessionToken"),
                          .expires = Time(node, "Expiration")};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
      credentials.session_token.empty() || credentials.expires == absl::InfinitePast()) {
    return NotA("set of credentials that expire");
  }
  return credentials;
}

}  // namespace fmserve::s3
