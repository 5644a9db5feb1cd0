#include "crayon/store/budget.h"

#include <fmt/format.h>

#include <ctime>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/store/internal/impl.h"

namespace crayon {
namespace {

constexpr std::int64_t kLargest = 1'000'000'000'000'000;  // so that sums cannot overflow

struct Periods {
  std::string day;
  std::string month;
};

// UTC: a day of 23 or 25 hours, or a traveller's clock, would make budgets that nobody can check.
Periods periods(std::int64_t now) {
  const std::time_t seconds = now;
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  const auto month = fmt::format("{:04}-{:02}", date.tm_year + 1900, date.tm_mon + 1);
  return {fmt::format("{}-{:02}", month, date.tm_mday), month};
}

void check_amount(const Amount& amount) {
  for (const std::int64_t value : {amount.calls, amount.tokens, amount.money}) {
    if (value >= 0 && value <= kLargest) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("budget: an amount of {}; expected 0 to {}", value, kLargest));
  }
}

Amount spent_in(const Database& database, const std::string& period) {
  Statement query = database.prepare("SELECT calls, tokens, money FROM spending WHERE period = ?");
  query.bind(std::string_view(period));
  if (!query.next()) return {};
  return {query.integer(0), query.integer(1), query.integer(2)};
}

/// Adds to a period; a sum never falls below 0.
void charge(const Database& database, const std::string& period, const Amount& amount) {
  database
      .prepare(
          "INSERT INTO spending VALUES (?1, max(0, ?2), max(0, ?3), max(0, ?4)) "
          "ON CONFLICT(period) DO UPDATE SET calls = max(0, calls + ?2), "
          "tokens = max(0, tokens + ?3), money = max(0, money + ?4)")
      .bind(std::string_view(period))
      .bind(amount.calls)
      .bind(amount.tokens)
      .bind(amount.money)
      .run();
}

/// Which limit of a period has no room; "" when all have.
std::string full(std::string_view name, const Limit& limit, const Amount& spent,
                 const Amount& wanted) {
  const auto has_room = [](const std::optional<std::int64_t>& most, std::int64_t now,
                           std::int64_t more) {
    return !most || (now <= *most && more <= *most - now);
  };
  if (!has_room(limit.calls, spent.calls, wanted.calls)) {
    return fmt::format("{} calls ({} of {})", name, spent.calls, *limit.calls);
  }
  if (!has_room(limit.tokens, spent.tokens, wanted.tokens)) {
    return fmt::format("{} tokens ({} of {}, {} more asked)", name, spent.tokens, *limit.tokens,
                       wanted.tokens);
  }
  if (!has_room(limit.money, spent.money, wanted.money)) {
    const auto unit = static_cast<double>(kMoneyUnit);
    return fmt::format("{} money ({:.6g} of {:.6g}, {:.6g} more asked)", name,
                       static_cast<double>(spent.money) / unit,
                       static_cast<double>(*limit.money) / unit,
                       static_cast<double>(wanted.money) / unit);
  }
  return {};
}

}  // namespace

Reservation Store::reserve(const BudgetLimits& limits, const Amount& amount) {
  check_amount(amount);
  const std::lock_guard lock(impl_->mutex);
  const Database& database = impl_->database;
  const auto now = impl_->now();
  const auto [day, month] = periods(now);
  impl_->force_to_disk(true);
  WriteTransaction transaction(database);
  auto why = full("daily", limits.daily, spent_in(database, day), amount);
  if (why.empty()) why = full("monthly", limits.monthly, spent_in(database, month), amount);
  if (!why.empty()) return {.granted = false, .id = 0, .why = why};
  charge(database, day, amount);
  charge(database, month, amount);
  database
      .prepare(
          "INSERT INTO reservation(opened, day, month, calls, tokens, money) "
          "VALUES (?, ?, ?, ?, ?, ?)")
      .bind(now)
      .bind(std::string_view(day))
      .bind(std::string_view(month))
      .bind(amount.calls)
      .bind(amount.tokens)
      .bind(amount.money)
      .run();
  const auto id = database.last_id();
  transaction.commit();
  return {.granted = true, .id = id, .why = {}};
}

void Store::settle(const Reservation& reservation, const Amount& spent) {
  check_amount(spent);
  const std::lock_guard lock(impl_->mutex);
  const Database& database = impl_->database;
  impl_->force_to_disk(true);
  WriteTransaction transaction(database);
  Statement query = database.prepare(
      "DELETE FROM reservation WHERE id = ? RETURNING day, month, calls, tokens, money");
  query.bind(reservation.id);
  if (!query.next()) return;
  const std::string day = query.text(0);
  const std::string month = query.text(1);
  const Amount change{spent.calls - query.integer(2), spent.tokens - query.integer(3),
                      spent.money - query.integer(4)};
  while (query.next()) {
  }
  charge(database, day, change);  // the periods of the reservation: midnight may have passed
  charge(database, month, change);
  transaction.commit();
}

Spending Store::spending() {
  const std::lock_guard lock(impl_->mutex);
  const auto [day, month] = periods(impl_->now());
  Statement open = impl_->database.prepare("SELECT count(*) FROM reservation WHERE month = ?");
  open.bind(std::string_view(month)).next();
  return {spent_in(impl_->database, day), spent_in(impl_->database, month), open.integer(0)};
}

}  // namespace crayon
