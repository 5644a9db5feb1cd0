#include "crayon/testing/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string>

#include "crayon/base/files.h"

namespace crayon {
namespace {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* p) const {
    free_function(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;

constexpr long kHour = 3600;

// What a certificate says, beside its key.
struct Claims {
  const char* subject;
  const char* alternative_name;  // null for an authority
  long from_s = -kHour;          // relative to now
  long until_s = kHour;
};

void add_extension(X509* certificate, int kind, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509_NAME* name_of(X509* certificate, const char* text) {
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text),
                             -1, -1, 0);
  return name;
}

// Signed by the issuer, or by itself when there is none.
Certificate make(const Claims& claims, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  static long serial = 0;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), claims.from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), claims.until_s);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* name = name_of(certificate.get(), claims.subject);
  X509_set_issuer_name(certificate.get(), issuer == nullptr ? name : X509_get_subject_name(issuer));
  if (claims.alternative_name == nullptr) {
    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  } else {
    add_extension(certificate.get(), NID_subject_alt_name, claims.alternative_name);
  }
  X509_sign(certificate.get(), issuer == nullptr ? key : issuer_key, EVP_sha256());
  return certificate;
}

Claims claims_of(CertificateFault fault) {
  Claims claims{.subject = "crayon test server", .alternative_name = "IP:127.0.0.1"};
  switch (fault) {
    case CertificateFault::WrongName:
      claims.alternative_name = "DNS:other.example";
      break;
    case CertificateFault::Expired:
      claims.until_s = -kHour / 2;
      break;
    case CertificateFault::NotYetValid:
      claims.from_s = kHour / 2;
      break;
    case CertificateFault::None:
    case CertificateFault::SelfSigned:
      break;
  }
  return claims;
}

}  // namespace

struct TestAuthority::Impl {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate = make({.subject = "crayon test authority", .alternative_name = nullptr},
                                 key.get(), nullptr, nullptr);
};

TestAuthority::TestAuthority() : impl_(std::make_shared<Impl>()) {}

void TestAuthority::write(const std::filesystem::path& file) const {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), impl_->certificate.get());
  char* text = nullptr;
  const auto bytes = BIO_get_mem_data(bio.get(), &text);
  write_atomically(file, std::string(text, static_cast<std::size_t>(bytes)));
}

std::shared_ptr<ssl_ctx_st> TestAuthority::server(CertificateFault fault) const {
  const Key key(EVP_EC_gen("P-256"));
  const bool own = fault == CertificateFault::SelfSigned;
  const Certificate certificate =
      make(claims_of(fault), key.get(), own ? nullptr : impl_->certificate.get(), impl_->key.get());
  std::shared_ptr<ssl_ctx_st> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  return context;
}

}  // namespace crayon
