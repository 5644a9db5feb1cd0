#include "crayon/remote/internal/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "crayon/base/text.h"

namespace crayon {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLongest = std::chrono::hours(24);

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBetween = " \t,-:";
  while (!text.empty() && words.size() < 10) {
    const auto begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(kBetween), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

// -1 when it is no number of at most 4 digits.
int number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && text.size() <= 4 && value >= 0 ? value : -1;
}

// 1 to 12; 0 when it is no month.
unsigned month_number(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
  const auto* found = std::find(kMonths.begin(), kMonths.end(), lowered(name));
  return found == kMonths.end() ? 0 : static_cast<unsigned>(found - kMonths.begin()) + 1;
}

std::optional<milliseconds> milliseconds_of(double value) {
  if (!std::isfinite(value)) return {};
  return milliseconds(
      static_cast<std::int64_t>(std::clamp(value, 0.0, static_cast<double>(kLongest.count()))));
}

std::optional<double> decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string_view header(const std::map<std::string, std::string>& headers, const char* name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : trimmed(found->second);
}

}  // namespace

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
  auto words = words_of(text);
  if (words.size() == 7) {  // the last form: put its words in the order of the others
    words = {words[0], words[2], words[1], words[6], words[3], words[4], words[5], "GMT"};
  }
  if (words.size() != 8 || words[7] != "GMT") return {};
  const int day = number(words[1]);
  const unsigned month = month_number(words[2]);
  int year = number(words[3]);
  const int hour = number(words[4]);
  const int minute = number(words[5]);
  const int second = number(words[6]);
  if (words[3].size() == 2) year += year < 70 ? 2000 : 1900;
  if (day < 0 || month == 0 || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return {};
  }
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::optional<milliseconds> retry_after(const std::map<std::string, std::string>& headers,
                                        std::chrono::system_clock::time_point now) {
  if (const auto ms = decimal(header(headers, "retry-after-ms"))) return milliseconds_of(*ms);
  const auto text = header(headers, "retry-after");
  if (const auto seconds = decimal(text)) return milliseconds_of(*seconds * 1000);
  const auto at = parse_http_date(text);
  if (!at) return {};
  const auto from = parse_http_date(header(headers, "date"))
                        .value_or(std::chrono::floor<std::chrono::seconds>(now));
  return milliseconds_of(static_cast<double>((*at - from).count()) * 1000);
}

milliseconds wait_before(int round, const RetryOptions& options, std::optional<milliseconds> asked,
                         Rng& rng) {
  if (asked && asked->count() > 0) {
    const double more = std::min(static_cast<double>(asked->count()) / 10, 1000.0);
    return *asked + milliseconds(static_cast<std::int64_t>(more * rng.uniform()));
  }
  double wait = static_cast<double>(options.first_wait.count());
  const auto longest = static_cast<double>(options.longest_wait.count());
  for (int i = 1; i < round && wait < longest; ++i) wait *= 2;
  return milliseconds(
      static_cast<std::int64_t>(std::min(wait, longest) * (0.5 + 0.5 * rng.uniform())));
}

}  // namespace crayon
