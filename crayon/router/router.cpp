#include "crayon/router/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

/// Where the quantile's level goes when the server is owed `owed` requests: softly near the share,
/// to the end of its range near the most that may be owed. Chosen on simulated streams: gentle
/// enough to take the least scores of a steady stream, hard enough to turn after a sudden drift
/// before requests must be sent whatever their score.
double level_for(double share, double owed) {
  constexpr double kTracking = 25;
  const double strain = owed / kMostOwed;
  return std::clamp(share + owed / kTracking + strain * strain * strain, 0.0, 1.0);
}

void check_level(double level, std::string_view name) {
  if (level >= 0 && level <= 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("router: {} is {}; expected 0 to 1", name, level));
}

void check_price(const RouterOptions& options) {
  if (std::isfinite(options.cost) && options.cost >= 0 && std::isfinite(options.value) &&
      options.value > 0) {
    return;
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("router: a call costs {} and a right answer is worth {}; expected a cost "
                          "of at least 0 and a value above 0",
                          options.cost, options.value));
}

bool out_of_scope(const Signals& signals, const RouterOptions& options) {
  return signals.scope && *signals.scope < options.least_scope;
}

std::string why_server(const Signals& signals, const RouterOptions& options) {
  return out_of_scope(signals, options) ? "out of scope" : "unsure";
}

bool usable(const Signals& signals) {
  return std::isfinite(signals.confidence) && std::isfinite(signals.scope.value_or(0)) &&
         std::isfinite(signals.server.value_or(0));
}

/// What holds before any score counts; nothing when the scores decide. Fails closed.
std::optional<Decision> ruled(const Signals& signals, const RouterOptions& options,
                              const Policy& policy) {
  if (policy.local_only) return Decision{Side::Device, "local only", 0, 0};
  if (!policy.server_allowed) return Decision{Side::Device, "no server", 0, 0};
  switch (options.mode) {
    case RouteMode::Always:
      return Decision{Side::Server, "always", 0, 0};
    case RouteMode::ServerShare:
    case RouteMode::Risk:
    case RouteMode::Price:
      if (!usable(signals)) return Decision{Side::Device, "no usable signals", 0, 0};
      return std::nullopt;
    case RouteMode::Never:
      break;
  }
  return Decision{Side::Device, "never", 0, 0};
}

}  // namespace

std::string to_string(Side side) { return side == Side::Server ? "server" : "device"; }

Router::Router(RouterOptions options, Policy policy) : options_(options), policy_(policy) {
  check_level(options_.server_share, "the server share");
  check_level(options_.least_scope, "the least scope");
  check_level(options_.server_right, "the server's chance to be right");
  check_price(options_);
  if (std::isnan(options_.risk_threshold)) {
    throw Error(ErrorCode::InvalidArgument, "router: the threshold of risk is no number");
  }
  if (options_.window < 1) {
    throw Error(ErrorCode::InvalidArgument, "router: a window of 0 scores; expected at least 1");
  }
}

void Router::remember(double score) {
  recent_.push_back(score);
  if (recent_.size() > options_.window) recent_.pop_front();
}

void Router::warm_up(std::span<const double> scores) {
  for (const double score : scores) {
    if (std::isfinite(score)) remember(score);
  }
}

void Router::resume(std::span<const PastDecision> past) {
  if (past.size() > kPastDecisions) past = past.last(kPastDecisions);
  double owed = 0;
  for (const PastDecision& one : past) {
    if (!std::isfinite(one.score)) continue;
    remember(one.score);
    owed += options_.server_share - (one.escalated ? 1.0 : 0.0);
  }
  owed_ = std::clamp(owed, -kMostOwed, kMostOwed);
}

double Router::score(const Signals& signals) const {
  if (!out_of_scope(signals, options_)) return signals.confidence;
  return signals.confidence * *signals.scope / options_.least_scope;
}

Decision Router::decide(const Signals& signals) {
  if (auto decision = ruled(signals, options_, policy_)) {
    const double own = score(signals);
    if (std::isfinite(own)) decision->score = own;
    return *decision;
  }
  return options_.mode == RouteMode::ServerShare ? decide_share(signals) : decide_alone(signals);
}

Decision Router::decide_share(const Signals& signals) {
  const double own = score(signals);
  remember(own);
  const double level = level_for(options_.server_share, owed_);
  const double threshold = quantile({recent_.begin(), recent_.end()}, level);
  const double due = owed_ + options_.server_share;
  bool escalate = own < threshold || (own == threshold && due >= 0.5);
  if (due > kMostOwed) escalate = true;
  if (due - 1 < -kMostOwed) escalate = false;
  owed_ = due - (escalate ? 1.0 : 0.0);
  return {escalate ? Side::Server : Side::Device,
          escalate ? why_server(signals, options_) : "confident", own, threshold};
}

/// The modes in which a request's own signals decide.
Decision Router::decide_alone(const Signals& signals) const {
  if (options_.mode == RouteMode::Price) {
    const double own = score(signals);
    const double server = signals.server.value_or(options_.server_right);
    const bool worth = (server - own) * options_.value > options_.cost;
    return {worth ? Side::Server : Side::Device, worth ? "worth its price" : "not worth its price",
            own, server - options_.cost / options_.value};
  }
  // Decided apart and not by the joint score: what is not of the task is no part of the promise.
  const bool sure =
      !out_of_scope(signals, options_) && signals.confidence > options_.risk_threshold;
  // The log holds finite numbers alone: every confidence lies between -1 and 2.
  return {sure ? Side::Device : Side::Server, sure ? "confident" : why_server(signals, options_),
          signals.confidence, std::clamp(options_.risk_threshold, -1.0, 2.0)};
}

std::vector<Decision> Router::decide_all(std::span<const Signals> signals) const {
  std::vector<Decision> out(signals.size());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    const auto decision = ruled(signals[i], options_, policy_);
    const bool alone = !decision && options_.mode != RouteMode::ServerShare;
    out[i] = alone ? decide_alone(signals[i]) : decision.value_or(Decision{});
    if (alone) continue;
    const double own = score(signals[i]);
    if (std::isfinite(own)) out[i].score = own;
    if (!decision) open.push_back(i);
  }
  std::stable_sort(open.begin(), open.end(),
                   [&](std::size_t a, std::size_t b) { return out[a].score < out[b].score; });
  const auto asked = static_cast<std::size_t>(
      std::llround(options_.server_share * static_cast<double>(signals.size())));
  const std::size_t sent = std::min(asked, open.size());
  const double threshold = open.empty() ? 0 : out[open[std::min(sent, open.size() - 1)]].score;
  for (std::size_t k = 0; k < open.size(); ++k) {
    Decision& decision = out[open[k]];
    decision.side = k < sent ? Side::Server : Side::Device;
    decision.reason = k < sent ? why_server(signals[open[k]], options_) : "confident";
    decision.threshold = threshold;
  }
  return out;
}

}  // namespace crayon
