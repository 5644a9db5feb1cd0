#include "crayon/cli/outgoing.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/session/answer.h"

namespace crayon {
namespace {

constexpr double kMostMoney = 1e6;

/// In place of a store that cannot be opened: nothing may be spent that cannot be counted.
class ClosedBudget : public Budget {
 public:
  Reservation reserve(const Amount&) override {
    throw Error(ErrorCode::Unavailable, "the store cannot be opened");
  }
  void settle(const Reservation&, const Amount&) override {}
};

Limit limit_of(const LimitArgs& args) {
  Limit limit{args.calls, args.tokens, {}};
  if (args.money) limit.money = std::llround(*args.money * static_cast<double>(kMoneyUnit));
  return limit;
}

BudgetLimits limits_of(const BudgetArgs& args, const std::vector<RemoteServer>& servers) {
  const bool money = args.daily.money || args.monthly.money;
  for (const RemoteServer& server : servers) {
    if (!money || server.price.prompt > 0 || server.price.completion > 0) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("a budget of money is given, but no price for {}, so it would never be "
                            "spent there; add --server-price",
                            server.url));
  }
  return {limit_of(args.daily), limit_of(args.monthly)};
}

PolicyOptions policy_of(const PolicyArgs& args) {
  PolicyOptions options;
  std::ranges::transform(args.kinds, options.kinds.begin(),
                         [](const std::string& rule) { return parse_rule(rule); });
  options.background = parse_rule(args.background);
  for (const std::string& pattern : args.patterns) {
    options.patterns.push_back(parse_pattern_rule(pattern));
  }
  return options;
}

void check_models(const std::vector<std::string>& models,
                  const std::vector<RemoteServer>& servers) {
  for (const RemoteServer& server : servers) {
    if (models.empty() || server.model.empty()) continue;  // its first one is looked at later
    if (std::ranges::find(models, server.model) != models.end()) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("--server-model is '{}', but the policy allows only {}; choose one of "
                            "these, or add it with --policy-model",
                            server.model, fmt::join(models, ", ")));
  }
}

void add_limit(CLI::App& cmd, const std::string& period, LimitArgs& args) {
  const auto flag = [&](const char* what) { return fmt::format("--budget-{}-{}", period, what); };
  cmd.add_option(flag("calls"), args.calls, "Calls of the server, at most, in a UTC day or month")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000}));
  cmd.add_option(flag("tokens"), args.tokens, "The same for tokens, asked and answered")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000}));
  cmd.add_option(flag("money"), args.money, "The same for money; needs --server-price")
      ->check(finite_range(0, kMostMoney));
}

}  // namespace

void add_policy_options(CLI::App& cmd, GuardArgs& args) {
  static constexpr std::array<const char*, kPrivateKinds.size()> kFlags = {
      "--policy-email", "--policy-phone", "--policy-card",
      "--policy-iban",  "--policy-ip",    "--policy-secret"};
  const auto rules = CLI::IsMember({"send", "redact", "local", "block"});
  for (std::size_t i = 0; i < kFlags.size(); ++i) {
    cmd.add_option(kFlags[i], args.policy.kinds[i],
                   fmt::format("What holds of a request with a{} {}: send, redact, local (the "
                               "default) or block",
                               i == 0 || i == 3 || i == 4 ? "n" : "", to_string(kPrivateKinds[i])))
        ->check(rules);
  }
  cmd.add_option("--policy-background", args.policy.background,
                 "The same of titles, tags and follow-ups that chat clients have written")
      ->check(CLI::IsMember({"send", "local", "block"}));
  cmd.add_option("--policy-pattern", args.policy.patterns,
                 "RULE:PATTERN, a regular expression of your own (RE2); once for each")
      ->allow_extra_args(false);
  cmd.add_option("--policy-model", args.policy.models,
                 "A model that the server may be asked for; once for each; default: any")
      ->allow_extra_args(false);
}

void add_budget_options(CLI::App& cmd, GuardArgs& args) {
  add_limit(cmd, "daily", args.budget.daily);
  add_limit(cmd, "monthly", args.budget.monthly);
}

void add_log_option(CLI::App& cmd, GuardArgs& args) {
  cmd.add_flag("--no-log", args.no_log,
               "Keep no record (which never holds a text) for stats, feedback and calibrate");
}

Guards::Guards(const GuardArgs& args, const std::vector<RemoteServer>& servers)
    : check_(make_text_check(policy_of(args.policy))) {
  const BudgetLimits limits = limits_of(args.budget, servers);
  check_models(args.policy.models, servers);
  door_.check = check_.get();
  door_.models = args.policy.models;
  if (!servers.empty()) door_.price = servers.front().price;
  const bool spends = !servers.empty() && limits.any();
  if (spends || !args.no_log) open_store(args, limits);
  if (spends) door_.budget = budget_.get();
}

void Guards::open_store(const GuardArgs& args, const BudgetLimits& limits) {
  try {
    store_ = std::make_unique<Store>();
    budget_ = std::make_unique<StoreBudget>(*store_, limits);
    if (!args.no_log) log_ = [this](const DecisionRecord& record) { store_->add(record); };
  } catch (const Error& error) {
    budget_ = std::make_unique<ClosedBudget>();
    log_warning(fmt::format("{}; no decision is logged{}", error.what(),
                            limits.any() ? ", and with a budget set nothing leaves" : ""));
  }
}

std::vector<DecisionRecord> Guards::past(const std::string& task, RouteMode mode) const {
  if (!log_ || mode != RouteMode::ServerShare) return {};
  try {
    return store_->recent(task, kPastEntries);
  } catch (const Error& error) {
    log_warning(fmt::format("{}; the server's share starts anew", error.what()));
    return {};
  }
}

}  // namespace crayon
