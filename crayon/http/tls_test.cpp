// TLS against a server with a certificate of the test's own: refused unless the store knows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/http/client.h"
#include "crayon/http/internal/raw_socket_for_tests.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::Throws;

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* p) const {
    free_function(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;

// Self-signed, for one name ("IP:127.0.0.1"), valid from an hour ago for `seconds`.
Certificate make_certificate(EVP_PKEY* key, const char* name, long seconds) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), seconds - 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("crayon test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name);
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate.get(), key, EVP_sha256());
  return certificate;
}

std::string to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* text = nullptr;
  const auto bytes = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(bytes)};
}

class TlsTest : public testing::Test {
 protected:
  TlsTest()
      : store_(std::filesystem::temp_directory_path() /
               ("crayon-tls-" + std::to_string(getpid()) + ".pem")) {
    setenv("SSL_CERT_FILE", store_.c_str(), 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    write_atomically(store_, std::string_view());
  }
  ~TlsTest() override {
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    std::filesystem::remove(store_);
  }

  void make(const char* name, long seconds = 7200) {
    certificate_ = make_certificate(key_.get(), name, seconds);
  }
  void trust() { write_atomically(store_, to_pem(certificate_.get())); }

  // One TLS connection that answers "hello" to whatever it is asked.
  void serve(int fd, int version) {
    const Context context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_use_certificate(context.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context.get(), key_.get());
    const Session session(SSL_new(context.get()));
    SSL_set_fd(session.get(), fd);
    if (SSL_accept(session.get()) != 1) return;
    char buffer[4096];
    if (SSL_read(session.get(), buffer, sizeof(buffer)) <= 0) return;
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    SSL_write(session.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
    SSL_shutdown(session.get());
    (void)receive_all(fd);
  }
  std::string get(int version = TLS1_3_VERSION) {
    const RawServer server([&](int fd) { serve(fd, version); });
    return HttpClient("https" + server.url().substr(4)).send({}).body;
  }
  auto refused(const std::string& part) {
    return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                               Property(&Error::what, HasSubstr(part))));
  }

 private:
  std::filesystem::path store_;
  Key key_{EVP_EC_gen("P-256")};
  Certificate certificate_;
};

TEST_F(TlsTest, TakesACertificateThatTheStoreKnowsForTheHostAsked) {
  make("IP:127.0.0.1");
  trust();
  EXPECT_EQ(get(), "hello");
  EXPECT_EQ(get(TLS1_2_VERSION), "hello");
}

TEST_F(TlsTest, RefusesACertificateThatTheStoreDoesNotKnow) {
  make("IP:127.0.0.1");
  EXPECT_THAT([&] { get(); }, refused("TLS certificate was refused"));
}

TEST_F(TlsTest, RefusesACertificateOfAnotherHost) {
  make("DNS:other.example");
  trust();
  EXPECT_THAT([&] { get(); }, refused("TLS certificate was refused"));
}

TEST_F(TlsTest, RefusesACertificateThatHasExpired) {
  make("IP:127.0.0.1", 60);
  trust();
  EXPECT_THAT([&] { get(); }, refused("TLS certificate was refused"));
}

TEST_F(TlsTest, RefusesAnOldVersionOfTheProtocol) {
  make("IP:127.0.0.1");
  trust();
  EXPECT_THAT([&] { get(TLS1_1_VERSION); }, refused("TLS handshake failed"));
}

}  // namespace
}  // namespace crayon
