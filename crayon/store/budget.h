// Budgets for what the server is asked: calls, tokens and money, a day and a month (both in UTC).
// An amount is set aside before a call and settled behind it, so that several processes together
// never spend more than a limit, but for what calls under way cost beyond what was set aside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace crayon {

/// Money is in billionths of the currency's unit, whichever that is.
inline constexpr std::int64_t kMoneyUnit = 1'000'000'000;

struct Amount {
  std::int64_t calls = 0;
  std::int64_t tokens = 0;  ///< Prompt and completion.
  std::int64_t money = 0;
};

/// What one period may cost; what is not given has no limit. 0 forbids.
struct Limit {
  std::optional<std::int64_t> calls{};
  std::optional<std::int64_t> tokens{};
  std::optional<std::int64_t> money{};
  [[nodiscard]] bool any() const { return calls || tokens || money; }
};

struct BudgetLimits {
  Limit daily{};
  Limit monthly{};
  [[nodiscard]] bool any() const { return daily.any() || monthly.any(); }
};

/// The answer to a request for money: only `granted` with a positive id is a yes.
struct Reservation {
  bool granted = false;
  std::int64_t id = 0;
  std::string why{};  ///< Of a no: "daily calls (100 of 100)".
};

/// Where calls are paid from. Implementations may be used from several threads.
class Budget {
 public:
  Budget() = default;
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;
  virtual ~Budget() = default;

  /// Sets `amount` aside where every limit has room for it.
  /// @throws Error  when that cannot be known: it counts as a no
  [[nodiscard]] virtual Reservation reserve(const Amount& amount) = 0;
  /// Replaces what was set aside by what was spent. A reservation that is never settled (the
  /// process died) stays spent in full: nobody knows whether the server did the work.
  virtual void settle(const Reservation& reservation, const Amount& spent) = 0;
};

}  // namespace crayon
