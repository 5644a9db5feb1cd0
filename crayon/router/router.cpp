#include "crayon/router/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

/// So many requests' worth of debt move the quantile by its whole range.
constexpr double kTracking = 50;

void check_level(double level, std::string_view name) {
  if (level >= 0 && level <= 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("router: {} is {}; expected 0 to 1", name, level));
}

bool out_of_scope(const Signals& signals, const RouterOptions& options) {
  return signals.scope && *signals.scope < options.least_scope;
}

std::string why_server(const Signals& signals, const RouterOptions& options) {
  return out_of_scope(signals, options) ? "out of scope" : "unsure";
}

bool usable(const Signals& signals) {
  return std::isfinite(signals.confidence) && (!signals.scope || std::isfinite(*signals.scope));
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

double Router::score(const Signals& signals) const {
  if (!out_of_scope(signals, options_)) return signals.confidence;
  return signals.confidence * *signals.scope / options_.least_scope;
}

Decision Router::decide(const Signals& signals) {
  const double own = score(signals);
  if (auto decision = ruled(signals, options_, policy_)) {
    if (std::isfinite(own)) decision->score = own;
    return *decision;
  }
  remember(own);
  const double level = std::clamp(options_.server_share + owed_ / kTracking, 0.0, 1.0);
  const double threshold = quantile({recent_.begin(), recent_.end()}, level);
  const double due = owed_ + options_.server_share;
  const bool escalate = own < threshold || (own == threshold && due >= 0.5);
  owed_ = std::clamp(due - (escalate ? 1.0 : 0.0), -kTracking, kTracking);
  return {escalate ? Side::Server : Side::Device,
          escalate ? why_server(signals, options_) : "confident", own, threshold};
}

std::vector<Decision> Router::decide_all(std::span<const Signals> signals) const {
  std::vector<Decision> out(signals.size());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    const auto decision = ruled(signals[i], options_, policy_);
    out[i] = decision.value_or(Decision{});
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
