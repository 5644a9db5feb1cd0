// The router under traffic that changes, and its modes by risk and by price.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/router/router.h"

namespace crayon {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

RouterOptions share(double s) { return {.mode = RouteMode::ServerShare, .server_share = s}; }

using Traffic = std::vector<double>;  // confidences in their order

struct Routed {
  std::vector<int> sent;  // 1 where the server answers
  /// Largest distance of the realised share from `asked` over any 500 consecutive requests.
  [[nodiscard]] double worst(double asked) const {
    constexpr std::size_t kSpan = 500;
    double worst = 0;
    int inside = 0;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      inside += sent[i];
      if (i >= kSpan) inside -= sent[i - kSpan];
      if (i + 1 >= kSpan) worst = std::max(worst, std::abs(inside / 500.0 - asked));
    }
    return worst;
  }
};

Routed route(Router& router, const Traffic& traffic) {
  Routed run;
  for (const double c : traffic) {
    run.sent.push_back(router.decide({.confidence = c}).side == Side::Server);
  }
  return run;
}

Traffic draw(std::size_t n, double low, double high, Rng& rng) {
  Traffic out(n);
  for (double& c : out) c = low + (high - low) * rng.uniform();
  return out;
}
void add(Traffic& to, const Traffic& more) { to.insert(to.end(), more.begin(), more.end()); }

struct Stream {
  const char* name;
  std::function<Traffic(Rng&)> make;
};

std::vector<Stream> streams() {
  return {
      {"easy, then hard, then easy at once",
       [](Rng& rng) {
         Traffic t = draw(700, 0.6, 1, rng);
         add(t, draw(700, 0, 0.3, rng));
         add(t, draw(700, 0.6, 1, rng));
         return t;
       }},
      {"slowly harder",
       [](Rng& rng) {
         Traffic t;
         for (int k = 0; k < 3000; ++k) t.push_back(1 - k / 3000.0 * 0.8 - 0.1 * rng.uniform());
         return t;
       }},
      {"each harder than all before",
       [](Rng&) {
         Traffic t;
         for (int k = 0; k < 1500; ++k) t.push_back(1 - k / 1500.0);
         return t;
       }},
      {"each easier than all before",
       [](Rng&) {
         Traffic t;
         for (int k = 0; k < 1500; ++k) t.push_back(k / 1500.0);
         return t;
       }},
      {"constant", [](Rng&) { return Traffic(1500, 0.7); }},
      {"three values",
       [](Rng& rng) {
         Traffic t(1500);
         for (double& c : t) c = static_cast<double>(rng.below(3)) / 2;
         return t;
       }},
      {"constant, then steady",
       [](Rng& rng) {
         Traffic t(600, 0.9);
         add(t, draw(1200, 0, 1, rng));
         return t;
       }},
      {"day and night",
       [](Rng& rng) {
         Traffic t;
         for (int day = 0; day < 12; ++day) {
           add(t, day % 2 == 0 ? draw(150, 0.5, 1, rng) : draw(150, 0, 0.5, rng));
         }
         return t;
       }},
  };
}

TEST(RouterShare, StaysWithinThreePointsOfAny500RequestsWhateverTheTrafficDoes) {
  for (const Stream& stream : streams()) {
    for (const double asked : {0.05, 0.3, 0.5, 0.8, 0.97}) {
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Rng rng(seed);
        Router router(share(asked));
        EXPECT_LE(route(router, stream.make(rng)).worst(asked), 0.03)
            << stream.name << " share " << asked << " seed " << seed;
      }
    }
  }
}

TEST(RouterShare, StaysThereAfterAWarmUpThatMisleads) {
  for (const double warm : {0.0, 0.99}) {
    Rng rng(4);
    Router router(share(0.3));
    router.warm_up(Traffic(200, warm));
    EXPECT_LE(route(router, draw(1500, 0, 1, rng)).worst(0.3), 0.03);
  }
}

// As `crayon ask` does: a process for each request, which knows the last decisions from the log.
TEST(RouterShare, HoldsOverRunsOfOneRequestEach) {
  for (const double asked : {0.1, 0.5}) {
    Rng rng(9);
    Traffic traffic = draw(700, 0.6, 1, rng);
    add(traffic, draw(700, 0, 0.3, rng));
    std::vector<PastDecision> past;
    Routed run;
    for (const double c : traffic) {
      Router router(share(asked));
      router.warm_up(Traffic(32, 0.99));  // the examples, which mislead
      router.resume(past);
      const Decision decision = router.decide({.confidence = c});
      run.sent.push_back(decision.side == Side::Server);
      past.push_back({decision.score, decision.side == Side::Server});
    }
    EXPECT_LE(run.worst(asked), 0.03) << asked;
  }
}

TEST(RouterShare, StillTakesTheLeastScoresSoonAfterASuddenDrift) {
  double sent_sum = 0, sent_n = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Rng rng(seed);
    Router router(share(0.3));
    (void)route(router, draw(700, 0.6, 1, rng));
    const Traffic hard = draw(300, 0, 0.3, rng);
    const Routed run = route(router, hard);
    for (std::size_t i = 0; i < hard.size(); ++i) {
      if (run.sent[i] == 1) sent_sum += hard[i], ++sent_n;
    }
  }
  EXPECT_LT(sent_sum / sent_n / 0.3, 0.27) << "0.15 at best, 0.5 at random";
}

TEST(RouterRisk, AnswersHereWhatIsInScopeAndAboveTheThreshold) {
  Router router({.mode = RouteMode::Risk, .risk_threshold = 0.7});
  EXPECT_EQ(router.decide({.confidence = 0.71, .scope = 0.5}).reason, "confident");
  EXPECT_EQ(router.decide({.confidence = 0.7, .scope = 0.5}).reason, "unsure");
  EXPECT_EQ(router.decide({.confidence = 0.99, .scope = 0.01}).reason, "out of scope");
  EXPECT_EQ(router.decide({.confidence = kNaN}).reason, "no usable signals");
  const std::vector<Signals> both{{.confidence = 0.9}, {.confidence = 0.2}};
  EXPECT_EQ(router.decide_all(both)[0].side, Side::Device);
  EXPECT_EQ(router.decide_all(both)[1].side, Side::Server);
}

TEST(RouterRisk, WithoutAThresholdTheDeviceAnswersNothingAndWithNoneToPassEverythingInScope) {
  Router unset({.mode = RouteMode::Risk});
  EXPECT_EQ(unset.decide({.confidence = 1}).side, Side::Server);
  EXPECT_TRUE(std::isfinite(unset.decide({.confidence = 1}).threshold));
  Router open({.mode = RouteMode::Risk, .risk_threshold = kNoThreshold});
  EXPECT_EQ(open.decide({.confidence = 0}).side, Side::Device);
  EXPECT_EQ(open.decide({.confidence = 1, .scope = 0.0}).side, Side::Server);
}

TEST(RouterPrice, AsksTheServerWhereTheExpectedGainIsWorthMoreThanItCosts) {
  Router router({.mode = RouteMode::Price, .cost = 0.2, .value = 1, .server_right = 0.9});
  EXPECT_EQ(router.decide({.confidence = 0.69}).side, Side::Server);
  EXPECT_EQ(router.decide({.confidence = 0.69}).reason, "worth its price");
  EXPECT_EQ(router.decide({.confidence = 0.71}).reason, "not worth its price");
  EXPECT_DOUBLE_EQ(router.decide({.confidence = 0.5}).threshold, 0.7);
  EXPECT_EQ(router.decide({.confidence = 0.5, .scope = {}, .server = 0.6}).side, Side::Device)
      << "labels of the server say that it knows little more";
  EXPECT_EQ(router.decide({.confidence = 0.9, .scope = 0.01}).side, Side::Server)
      << "out of scope the device's confidence counts for less";
  Router dear({.mode = RouteMode::Price, .cost = 2, .value = 1});
  EXPECT_EQ(dear.decide({.confidence = 0}).side, Side::Device);
  Router free({.mode = RouteMode::Price, .cost = 0, .value = 1, .server_right = 0.9});
  EXPECT_EQ(free.decide({.confidence = 0.95}).side, Side::Device) << "the device knows better";
  EXPECT_EQ(router.decide({.confidence = 0.1, .scope = {}, .server = kNaN}).side, Side::Device);
}

TEST(RouterModes, APolicyHoldsInThemToo) {
  for (const RouteMode mode : {RouteMode::Risk, RouteMode::Price}) {
    Router local({.mode = mode}, {.local_only = true});
    EXPECT_EQ(local.decide({.confidence = 0}).reason, "local only");
    EXPECT_EQ(local.decide_all(std::vector<Signals>(3))[2].reason, "local only");
  }
}

TEST(RouterModes, RefuseCostsValuesAndThresholdsThatMakeNoSense) {
  for (const double bad : {-1.0, kNaN, kInf}) {
    EXPECT_THROW(Router({.cost = bad}), Error) << bad;
    EXPECT_THROW(Router({.value = bad}), Error) << bad;
  }
  EXPECT_THROW(Router({.value = 0}), Error);
  EXPECT_THROW(Router({.server_right = 1.1}), Error);
  EXPECT_THROW(Router({.risk_threshold = kNaN}), Error);
}

}  // namespace
}  // namespace crayon
