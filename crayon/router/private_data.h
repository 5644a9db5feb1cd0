// What a text holds that is nobody else's business, found by shape and checksum: e-mail addresses,
// phone numbers, payment cards (Luhn), IBANs (mod 97), IP addresses, secrets. Shapes, not meaning:
// names, addresses and illnesses are not found; patterns of one's own are for those.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace crayon {

enum class PrivateKind {
  Email,
  Phone,   ///< With a country code, or in a grouping that is usual somewhere, or named as one.
  Card,    ///< A number of an issuer that exists, with a right last digit.
  Iban,    ///< Of a country that has them, of its length, with a right checksum.
  Ip,      ///< IPv4 or IPv6, but for loopback and "any".
  Secret,  ///< Private keys, keys of known services, passwords in URLs, what is called a secret.
};
inline constexpr std::array kPrivateKinds = {PrivateKind::Email, PrivateKind::Phone,
                                             PrivateKind::Card,  PrivateKind::Iban,
                                             PrivateKind::Ip,    PrivateKind::Secret};

/// "e-mail", "phone", "card", "iban", "ip", "secret"
[[nodiscard]] std::string_view to_string(PrivateKind kind);

/// Bytes [begin, end) of the text.
struct PrivateData {
  PrivateKind kind = PrivateKind::Secret;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// All of them, by their beginning; they may overlap. Any bytes may be given: blanks that do not
/// break and hidden characters, as web pages have them, are seen as what they look like. Linear in
/// the text's length.
[[nodiscard]] std::vector<PrivateData> find_private(std::string_view text);

}  // namespace crayon
