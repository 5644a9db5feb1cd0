#include "crayon/router/router.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

RouterOptions share(double s) { return {.mode = RouteMode::ServerShare, .server_share = s}; }

std::vector<Signals> random_signals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Signals> out(n);
  for (Signals& s : out) s.confidence = rng.uniform();
  return out;
}
std::size_t sent(const std::vector<Decision>& decisions) {
  return static_cast<std::size_t>(std::count_if(decisions.begin(), decisions.end(),
                                                [](auto& d) { return d.side == Side::Server; }));
}
double sent_on_line(Router& router, const std::vector<Signals>& signals) {
  std::size_t n = 0;
  for (const Signals& s : signals) n += router.decide(s).side == Side::Server;
  return static_cast<double>(n) / static_cast<double>(signals.size());
}

TEST(Router, DecidingAFileSendsExactlyTheRoundedShareOfLeastScores) {
  for (const double s : {0.0, 0.1, 0.3, 0.5, 0.999, 1.0}) {
    for (const std::size_t n : {1u, 7u, 100u}) {
      const auto signals = random_signals(n, 3);
      const auto got = Router(share(s)).decide_all(signals);
      EXPECT_EQ(sent(got), static_cast<std::size_t>(std::llround(s * static_cast<double>(n))));
      double most_sent = -1;
      double least_kept = 2;
      for (const Decision& d : got) {
        double& edge = d.side == Side::Server ? most_sent : least_kept;
        edge = d.side == Side::Server ? std::max(edge, d.score) : std::min(edge, d.score);
        EXPECT_EQ(d.reason, d.side == Side::Server ? "unsure" : "confident");
      }
      EXPECT_LE(most_sent, least_kept);
    }
  }
  EXPECT_TRUE(Router(share(0.5)).decide_all({}).empty());
}

TEST(Router, DecidingAFileKeepsTheShareWhenAllScoresAreEqual) {
  const std::vector<Signals> equal(10, Signals{.confidence = 0.5});
  EXPECT_EQ(sent(Router(share(0.3)).decide_all(equal)), 3u);
}

TEST(Router, MeetsTheShareOfAStationaryStreamWithinThreePoints) {
  for (const double s : {0.05, 0.3, 0.5, 0.9}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Router router(share(s));
      EXPECT_NEAR(sent_on_line(router, random_signals(500, seed)), s, 0.03) << "seed " << seed;
    }
  }
}

TEST(Router, MeetsTheShareWhenScoresTakeFewValuesOrOne) {
  for (const std::size_t values : {1u, 2u, 5u}) {
    Rng rng(values);
    std::vector<Signals> signals(500);
    for (Signals& s : signals) s.confidence = static_cast<double>(rng.below(values)) / 5;
    Router router(share(0.3));
    EXPECT_NEAR(sent_on_line(router, signals), 0.3, 0.03) << values << " values";
  }
}

TEST(Router, MeetsTheShareAfterAWarmUpThatMisleads) {
  Router router(share(0.3));
  router.warm_up(std::vector<double>(100, 0.99));  // as if every request were easy
  EXPECT_NEAR(sent_on_line(router, random_signals(1000, 5)), 0.3, 0.05);
}

TEST(Router, ShareZeroSendsNothingAndShareOneEverything) {
  const auto signals = random_signals(200, 6);
  Router none(share(0));
  Router all(share(1));
  EXPECT_EQ(sent_on_line(none, signals), 0.0);
  EXPECT_EQ(sent_on_line(all, signals), 1.0);
}

TEST(Router, SendsTheUnsureRequestsOfAStream) {
  Router router(share(0.3));
  double kept = 0, n_kept = 0, gone = 0, n_gone = 0;
  for (const Signals& s : random_signals(500, 7)) {
    const bool server = router.decide(s).side == Side::Server;
    (server ? gone : kept) += s.confidence;
    ++(server ? n_gone : n_kept);
  }
  EXPECT_LT(gone / n_gone, 0.2);   // 0.15 at best
  EXPECT_GT(kept / n_kept, 0.62);  // 0.65 at best
}

TEST(Router, AWarmUpGivesTheFirstRequestAThreshold) {
  Router router(share(0.5));
  router.warm_up(std::vector<double>{0.2, 0.4, kNaN, 0.6, 0.8});
  const Decision first = router.decide({.confidence = 0.1});
  EXPECT_EQ(first.side, Side::Server);
  EXPECT_EQ(first.reason, "unsure");
  EXPECT_DOUBLE_EQ(first.threshold, 0.4);  // the median with its own score
  EXPECT_EQ(router.decide({.confidence = 0.9}).reason, "confident");
}

TEST(Router, OutOfScopeLowersTheScoreAndIsTheReason) {
  Router router({.mode = RouteMode::ServerShare, .server_share = 0.5, .least_scope = 0.1});
  EXPECT_DOUBLE_EQ(router.score({.confidence = 0.8, .scope = 0.5}), 0.8);
  EXPECT_DOUBLE_EQ(router.score({.confidence = 0.8, .scope = 0.1}), 0.8);
  EXPECT_DOUBLE_EQ(router.score({.confidence = 0.8, .scope = 0.05}), 0.4);
  EXPECT_DOUBLE_EQ(router.score({.confidence = 0.8}), 0.8);
  const std::vector<Signals> both{{.confidence = 0.9, .scope = 0.01}, {.confidence = 0.5}};
  const auto got = router.decide_all(both);
  EXPECT_EQ(got[0].side, Side::Server);
  EXPECT_EQ(got[0].reason, "out of scope");
  EXPECT_EQ(got[1].reason, "confident");
}

TEST(Router, NeverAndAlwaysNeedNoScores) {
  Router never({.mode = RouteMode::Never});
  Router always({.mode = RouteMode::Always});
  EXPECT_EQ(never.decide({.confidence = 0}).reason, "never");
  EXPECT_EQ(always.decide({.confidence = kNaN}).side, Side::Server);
  EXPECT_EQ(sent(always.decide_all(random_signals(5, 1))), 5u);
  EXPECT_EQ(sent(never.decide_all(random_signals(5, 1))), 0u);
}

TEST(Router, APolicyHoldsWhateverTheModeAndTheScores) {
  for (const RouteMode mode : {RouteMode::Never, RouteMode::ServerShare, RouteMode::Always}) {
    const RouterOptions options{.mode = mode, .server_share = 1.0};
    Router local(options, {.local_only = true});
    Router alone(options, {.server_allowed = false});
    EXPECT_EQ(local.decide({.confidence = 0}).side, Side::Device);
    EXPECT_EQ(local.decide({.confidence = 0}).reason, "local only");
    EXPECT_EQ(alone.decide({.confidence = 0}).reason, "no server");
    EXPECT_EQ(sent(local.decide_all(random_signals(20, 1))), 0u);
    EXPECT_EQ(sent(alone.decide_all(random_signals(20, 1))), 0u);
  }
}

TEST(Router, SignalsThatAreNoNumbersStayOnTheDeviceAndAreForgotten) {
  Router router(share(1.0));
  for (const Signals& bad : {Signals{.confidence = kNaN}, Signals{.confidence = 0.5, .scope = kNaN},
                             Signals{.confidence = -std::numeric_limits<double>::infinity()}}) {
    const Decision got = router.decide(bad);
    EXPECT_EQ(got.side, Side::Device);
    EXPECT_EQ(got.reason, "no usable signals");
    EXPECT_TRUE(std::isfinite(got.score));
    EXPECT_EQ(sent(router.decide_all(std::vector<Signals>{bad, {.confidence = 0.1}})), 1u);
  }
  EXPECT_EQ(router.decide({.confidence = 0.5}).side, Side::Server);
}

TEST(Router, AModeThatItDoesNotKnowStaysOnTheDevice) {
  Router router({.mode = static_cast<RouteMode>(99), .server_share = 1.0});
  EXPECT_EQ(router.decide({.confidence = 0}).side, Side::Device);
}

TEST(Router, RefusesLevelsOutsideZeroToOneAndAnEmptyWindow) {
  EXPECT_THROW(Router(share(-0.1)), Error);
  EXPECT_THROW(Router(share(1.1)), Error);
  EXPECT_THROW(Router(share(kNaN)), Error);
  EXPECT_THROW(Router({.least_scope = 2}), Error);
  EXPECT_THROW(Router({.window = 0}), Error);
}

TEST(Side, HasItsNames) {
  EXPECT_EQ(to_string(Side::Device), "device");
  EXPECT_EQ(to_string(Side::Server), "server");
}

}  // namespace
}  // namespace crayon
