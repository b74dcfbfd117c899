// A bucket in memory that speaks as much S3 as a source and a publisher need, and that knows no
// conditions, or refuses, if a test wants.
#ifndef FMSERVE_TESTS_LOADER_FAKE_BUCKET_H_
#define FMSERVE_TESTS_LOADER_FAKE_BUCKET_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "s3/client.h"
#include "tests/s3/scripted_server.h"

namespace fmserve::loader {

// Any thread.
class FakeBucket {
 public:
  FakeBucket();

  std::shared_ptr<s3::Client> MakeClient() const;
  s3::Location location() const { return {.bucket = "bucket", .prefix = "p"}; }

  void Put(const std::string& key, const std::string& body);
  std::string Get(const std::string& key) const;  // "" when there is none
  bool Has(const std::string& key) const;
  void Remove(const std::string& key);

  // Set while no request is under way.
  bool ignores_conditions = false;
  std::string refused{};   // a key that may not be written
  int conflicts_left = 0;  // so many more conditional PUTs lose against somebody else
  std::vector<s3::ServedRequest> requests() const { return server_.requests(); }

 private:
  struct Object {
    std::string body{};
    std::string etag{};
  };

  std::string Answer(const s3::ServedRequest& request);
  std::string AnswerGet(const s3::ServedRequest& request, const std::string& key);
  std::string AnswerPut(const s3::ServedRequest& request, const std::string& key);
  std::string List(const std::string& query) const;

  mutable std::mutex mutex_;
  std::map<std::string, Object> objects_;
  std::map<int, std::string> parts_;  // of the one upload
  int etags_count_ = 0;
  s3::ScriptedServer server_;  // last: its threads use the others
};

}  // namespace fmserve::loader

#endif  // FMSERVE_TESTS_LOADER_FAKE_BUCKET_H_
