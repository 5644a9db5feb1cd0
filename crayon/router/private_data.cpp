#include "crayon/router/private_data.h"

#include <algorithm>

#include "crayon/router/internal/detectors.h"
#include "crayon/router/internal/plain_text.h"

namespace crayon {

namespace detect {

bool stands_alone(std::string_view text, std::string_view part, std::string_view joins) {
  const Around around(text, part);
  if (is_alnum(around.last()) || around.last() == '_') return false;
  if (is_alnum(around.next()) || around.next() == '_') return false;
  if (joins.find(around.last()) != std::string_view::npos && around.before.size() > 1 &&
      is_digit(around.before[around.before.size() - 2])) {
    return false;
  }
  return !(joins.find(around.next()) != std::string_view::npos && is_digit(around.after_next()));
}

std::size_t count_digits(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, is_digit));
}

}  // namespace detect

std::string_view to_string(PrivateKind kind) {
  switch (kind) {
    case PrivateKind::Email:
      return "e-mail";
    case PrivateKind::Phone:
      return "phone";
    case PrivateKind::Card:
      return "card";
    case PrivateKind::Iban:
      return "iban";
    case PrivateKind::Ip:
      return "ip";
    case PrivateKind::Secret:
      break;
  }
  return "secret";
}

std::vector<PrivateData> find_private(std::string_view text) {
  const PlainText plain(text);
  std::vector<PrivateData> found;
  find_emails(plain.text(), found);
  find_phones(plain.text(), found);
  find_cards(plain.text(), found);
  find_ibans(plain.text(), found);
  find_ips(plain.text(), found);
  find_secrets(plain.text(), found);
  for (PrivateData& data : found) {
    data.begin = plain.origin(data.begin);
    data.end = data.end == 0 ? 0 : plain.origin(data.end);
  }
  std::ranges::stable_sort(found, {}, &PrivateData::begin);
  return found;
}

}  // namespace crayon
