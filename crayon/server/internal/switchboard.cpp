#include "crayon/server/internal/switchboard.h"

#include "crayon/session/answer.h"

namespace crayon::server {
namespace {

Policy narrowed(Policy policy, const Remote* remote) {
  policy.server_allowed = policy.server_allowed && remote != nullptr;
  return policy;
}

}  // namespace

Switchboard::Switchboard(const Model& model, Bookkeeping books)
    : books_(std::move(books)),
      task_(model, books_.task),
      policy_(narrowed(task_.policy(), books_.remote)),
      router_(books_.router, policy_) {
  const bool open = !policy_.local_only && policy_.server_allowed;
  if (open && books_.router.mode != RouteMode::Never) door_.emplace(*books_.remote, books_.door);
  router_.warm_up(task_.recent_scores());
  router_.resume(past_decisions(books_.past, task_, router_));
  books_.past.clear();
}

std::string Switchboard::why_none_leaves() const {
  if (policy_.local_only) return "local only";
  return policy_.server_allowed ? "never" : "no server";
}

Decision Switchboard::decide(const Signals& signals) {
  const std::lock_guard lock(mutex_);
  return router_.decide(signals);
}

double Switchboard::score(const Signals& signals) const {
  const std::lock_guard lock(mutex_);
  return router_.score(signals);
}

}  // namespace crayon::server
