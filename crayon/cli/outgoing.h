// The flags of policy and budget, and what stands between a request and the server: the check of
// texts, the budget, the decision log.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/router/policy.h"
#include "crayon/router/router.h"
#include "crayon/session/door.h"
#include "crayon/store/store.h"

namespace CLI {
class App;
}

namespace crayon {

/// Table [policy] of crayon.toml, flags --policy-...
struct PolicyArgs {
  std::array<std::string, kPrivateKinds.size()> kinds{"local", "local", "local",
                                                      "local", "local", "local"};
  std::string background = "local";
  std::vector<std::string> patterns;  ///< "RULE:PATTERN"
  std::vector<std::string> models;    ///< Of the server, the only ones that may be asked.
};

/// Limits of one period, as they are typed; money in the currency's unit.
struct LimitArgs {
  std::optional<std::int64_t> calls;
  std::optional<std::int64_t> tokens;
  std::optional<double> money;
};

/// Table [budget], flags --budget-...
struct BudgetArgs {
  LimitArgs daily;
  LimitArgs monthly;
};

struct GuardArgs {
  PolicyArgs policy;
  BudgetArgs budget;
  bool no_log = false;
};
void add_policy_options(CLI::App& cmd, GuardArgs& args);
void add_budget_options(CLI::App& cmd, GuardArgs& args);
void add_log_option(CLI::App& cmd, GuardArgs& args);

/// Everything that a door borrows. A store that cannot be opened costs the log, with a warning;
/// with limits set it keeps everything here.
class Guards {
 public:
  /// @param servers  that may be asked; none: nothing leaves
  /// @throws Error InvalidArgument  a rule or pattern that is none; limits of money and a server
  ///                                without a price; an allow-list without a server's model
  Guards(const GuardArgs& args, const std::vector<RemoteServer>& servers);
  Guards(const Guards&) = delete;  // log() knows where this is
  Guards& operator=(const Guards&) = delete;

  /// Valid as long as this lives.
  [[nodiscard]] const DoorOptions& door() const { return door_; }
  /// Where decisions are logged; empty where they are not.
  [[nodiscard]] const std::function<void(const DecisionRecord&)>& log() const { return log_; }
  /// What the log holds of a task, as far as a router for this mode goes on from it. A log that
  /// cannot be read is none, with a warning.
  [[nodiscard]] std::vector<DecisionRecord> past(const std::string& task, RouteMode mode) const;

 private:
  void open_store(const GuardArgs& args, const BudgetLimits& limits);

  std::unique_ptr<TextCheck> check_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Budget> budget_;
  DoorOptions door_;
  std::function<void(const DecisionRecord&)> log_;
};

}  // namespace crayon
