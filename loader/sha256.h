// SHA-256 (FIPS 180-4) of a stream.
#ifndef FMSERVE_LOADER_SHA256_H_
#define FMSERVE_LOADER_SHA256_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace fmserve::loader {

// One thread.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;
  ~Sha256() = default;

  void Update(std::span<const std::byte> bytes);

  // 64 lower-case hexadecimal digits. At most once; no Update afterwards.
  std::string HexDigest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace fmserve::loader

#endif  // FMSERVE_LOADER_SHA256_H_
