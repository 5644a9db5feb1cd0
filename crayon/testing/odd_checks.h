// For tests: checks that do what a check must not do.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/router/policy.h"
#include "crayon/store/budget.h"

namespace crayon {

/// A check that says what the test wants; counts its calls from 1.
class ScriptedCheck : public TextCheck {
 public:
  using Say = std::function<Verdict(int call, std::span<const std::string_view>)>;
  explicit ScriptedCheck(Say say) : say_(std::move(say)) {}
  [[nodiscard]] Verdict check(std::span<const std::string_view> texts) const override {
    return say_(++calls_, texts);
  }
  void start_again() { calls_ = 0; }

 private:
  Say say_;
  mutable std::atomic<int> calls_ = 0;
};

/// A budget that says what the test wants, and remembers what it was told.
class ScriptedBudget : public Budget {
 public:
  explicit ScriptedBudget(std::function<Reservation(const Amount&)> say) : say_(std::move(say)) {}
  Reservation reserve(const Amount& amount) override {
    aside = amount;
    return say_(amount);
  }
  void settle(const Reservation&, const Amount& amount) override {
    spent = amount;
    ++settled;
  }
  Amount aside{};
  Amount spent{};
  int settled = 0;

 private:
  std::function<Reservation(const Amount&)> say_;
};

inline Verdict may_leave() { return {.rule = Rule::Send, .reason = {}}; }

inline constexpr std::chrono::milliseconds kShortPatience{4};
inline void overrun() { std::this_thread::sleep_for(2 * kShortPatience); }

}  // namespace crayon
