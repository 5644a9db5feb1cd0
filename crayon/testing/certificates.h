// Certificates made at run time, so that none in the tree expires: an authority and what it signed.
#pragma once

#include <filesystem>
#include <memory>

struct ssl_ctx_st;

namespace crayon {

/// What is wrong with a server's certificate.
enum class CertificateFault { None, WrongName, Expired, NotYetValid, SelfSigned };

/// An authority of the test's own. Its certificates are for the address 127.0.0.1 unless the name
/// is wrong.
class TestAuthority {
 public:
  TestAuthority();
  /// Writes its certificate as PEM: what a client is to trust.
  void write(const std::filesystem::path& file) const;
  /// The settings of a TLS server with such a certificate.
  [[nodiscard]] std::shared_ptr<ssl_ctx_st> server(CertificateFault fault) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared, as a unique one would need its definition here
};

}  // namespace crayon
