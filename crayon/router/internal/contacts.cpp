// E-mail addresses and phone numbers.
#include <algorithm>
#include <array>

#include "crayon/base/text.h"
#include "crayon/router/internal/detectors.h"
#include "crayon/router/internal/expression.h"

namespace crayon {

using detect::Around;
using detect::count_digits;
using detect::is_alnum;
using detect::is_digit;

namespace {

/// Endings of files, which no domain has: icon@2x.png is no address.
bool is_file_ending(std::string_view ending) {
  static constexpr std::array<std::string_view, 11> kEndings = {
      "png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "txt", "html", "css", "json"};
  return std::ranges::find(kEndings, lowered(ending)) != kEndings.end();
}

struct PhoneForm {
  Expression expression;
  std::size_t least;  ///< Digits.
  std::size_t most;
};

/// Ways to write a phone number, each strict enough to stand without a word that says so.
const std::array<PhoneForm, 6>& phone_forms() {
  static const std::array<PhoneForm, 6> kForms = {{
      // +49 (0)30 901820, +1-404-555-0199
      {Expression(R"(\+\(?[1-9]\d{0,3}\)?(?:[ .\-/]{0,2}\(?\d{1,6}\)?){1,7})"), 8, 15},
      // 0049 30 901820
      {Expression(R"(00[1-9]\d{0,2}(?:[ .\-/]{1,2}\(?\d{1,6}\)?){2,6})"), 10, 17},
      // (404) 555-0199, 404-555-0199, 404.555.0199, 404 555 0199
      {Expression(R"((?:1[ .\-])?(?:\(\d{3}\)[ \-.]?|\d{3}-|[2-9]\d{2}[. ])\d{3}[\-. ]\d{4})"), 10,
       11},
      // 06 12 34 56 78
      {Expression(R"(0[1-9](?:[ .\-]\d{2}){4})"), 10, 10},
      // 020 7946 0958, (030) 901820, 0171/1234567
      {Expression(R"(\(?0[1-9]\d{1,4}\)?[ \-/]{1,3}\d{2,8}(?:[ \-]\d{2,5}){0,4})"), 9, 12},
      // 07911123456
      {Expression(R"(0[1-9]\d{8,9})"), 10, 11},
  }};
  return kForms;
}

bool is_number_part(char c) { return is_alnum(c) || c == '_' || c == '+'; }

/// Is what stands around the digits no part of a longer number, a version, a date or a path?
bool may_be_phone(std::string_view text, std::string_view part) {
  const Around around(text, part);
  const auto joins = [](char c) {
    return c == '.' || c == ',' || c == '-' || c == '/' || c == ':';
  };
  if (is_number_part(around.last()) || is_number_part(around.next())) return false;
  const char before_last =
      around.before.size() < 2 ? '\0' : around.before[around.before.size() - 2];
  if (joins(around.last()) && is_alnum(before_last)) return false;
  if (joins(around.next()) && is_digit(around.after_next())) return false;
  const std::string_view near =
      around.before.substr(around.before.size() - std::min<std::size_t>(around.before.size(), 12));
  return lowered(near).find("isbn") == std::string::npos;
}

/// Groups of digits, one of them a phone number by its looks: an account or card number, rather.
bool among_groups(std::string_view text, std::string_view part) {
  const Around around(text, part);
  const std::string_view before = around.before;
  const bool trunk = part.front() == '0';
  const std::size_t most = trunk ? 1 : 3;  // "call 2 404 555 0199" is a call
  const bool behind_group = before.size() > most && before.back() == ' ' &&
                            count_digits(before.substr(before.size() - 1 - most)) == most;
  return behind_group || (around.next() == ' ' && is_digit(around.after_next()));
}

bool is_date(std::string_view part) {
  static const Expression kDate(
      R"(^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}))");
  bool found = false;
  kDate.each(part, [&](const auto&) { return found = true; });
  return found;
}

}  // namespace

void find_emails(std::string_view text, std::vector<PrivateData>& found) {
  if (text.find('@') == std::string_view::npos) return;
  static const Expression kAddress(
      R"((?i)[a-z0-9\x80-\xff._%+'\-]*[a-z0-9\x80-\xff_+\-]@)"
      R"(((?:[a-z0-9\x80-\xff](?:[a-z0-9\x80-\xff\-]*[a-z0-9\x80-\xff])?\.)+([a-z\x80-\xff]{2,24})))");
  kAddress.walk(text, [&](const auto& match) {
    const Around around(text, match[0]);
    const auto behind = around.before.size() + match[0].size();
    // Whatever else begins before this @ ends as this one does; behind it another may begin.
    if (is_alnum(around.next()) || around.next() == '_') return behind - match[1].size();
    const bool git = match[0].starts_with("git@") && around.next() == ':';  // its way to a host
    if (!git && !is_file_ending(match[2])) detect::add(found, PrivateKind::Email, text, match[0]);
    return behind;
  });
}

void find_phones(std::string_view text, std::vector<PrivateData>& found) {
  for (const PhoneForm& form : phone_forms()) {
    form.expression.each(text, [&](const auto& match) {
      const std::size_t digits = count_digits(match[0]);
      if (digits < form.least || digits > form.most) return false;
      if (!may_be_phone(text, match[0]) || is_date(match[0])) return false;
      if (match[0].front() != '+' && among_groups(text, match[0])) return false;
      detect::add(found, PrivateKind::Phone, text, match[0]);
      return true;
    });
  }
  // "phone: 555 0199": the word says what the digits are.
  static const Expression kNamed(
      R"((?i)\b(?:phone|tel|telephone|t(?:e|\xc3\xa9)l(?:e|\xc3\xa9)phone|telefon|tel(?:e|\xc3\xa9)fono|mobile|)"
      R"(mobil|cell|cellphone|fax|whatsapp|handy|(?:call|ring|text|reach) (?:me|us|him|her|them) (?:at|on))\b)"
      R"(\.?(?: (?:number|no|nr|is|was))*\.?[ :#=]{0,3}(\+?\(?\d[\d ().\-/]{4,18}\d))");
  kNamed.each(text, [&](const auto& match) {
    const std::size_t digits = count_digits(match[1]);
    if (digits < 6 || digits > 15 || is_date(match[1])) return true;
    if (is_number_part(Around(text, match[1]).next())) return true;
    detect::add(found, PrivateKind::Phone, text, match[1]);
    return true;
  });
}

}  // namespace crayon
