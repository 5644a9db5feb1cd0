// What routing adds to the device's own answer: the look at the text, scope, confidence, decision
// and log of one request. The aim is below 1 ms for all of them together.
#include <benchmark/benchmark.h>

#include <cmath>

#include "crayon/base/random.h"
#include "crayon/gate/scope.h"
#include "crayon/router/policy.h"
#include "crayon/router/router.h"
#include "crayon/store/store.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

constexpr std::size_t kExamples = 64;
constexpr std::size_t kWidth = 64;  // of z
constexpr std::size_t kChoices = 10;

Matrix random_rows(std::size_t n) {
  Rng rng(1);
  Matrix z(n, kWidth);
  for (std::size_t k = 0; k < n; ++k) {
    double norm = 0;
    for (float& x : z.row(k)) {
      x = static_cast<float>(rng.normal());
      norm += static_cast<double>(x) * static_cast<double>(x);
    }
    for (float& x : z.row(k)) x /= static_cast<float>(std::sqrt(norm));
  }
  return z;
}

RouterOptions share() { return {.mode = RouteMode::ServerShare, .server_share = 0.3}; }

/// Signals of requests, drawn before.
struct Requests {
  std::vector<std::vector<float>> scores;
  Matrix z = random_rows(256);
  Requests() {
    Rng rng(2);
    for (std::size_t k = 0; k < z.rows; ++k) {
      scores.emplace_back(kChoices);
      for (float& s : scores.back()) s = static_cast<float>(-5 * rng.uniform());
    }
  }
};

Signals signals_of(const Requests& requests, const Scope& scope, const Calibration& calibration,
                   std::size_t k, ChoiceSignals& raw) {
  raw = choice_signals(requests.scores[k]);
  return {.confidence = confidence(calibration, raw), .scope = scope.p_value(requests.z.row(k))};
}

void BM_Decide(benchmark::State& state) {
  const Requests requests;
  const Scope scope(random_rows(kExamples));
  Router router(share());
  std::size_t k = 0;
  ChoiceSignals raw;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        router.decide(signals_of(requests, scope, {}, k++ % requests.z.rows, raw)));
  }
  state.SetItemsProcessed(state.iterations());  // requests per second
}
BENCHMARK(BM_Decide);

void BM_LookDecideAndLog(benchmark::State& state) {
  const Requests requests;
  const Scope scope(random_rows(kExamples));
  const auto check = make_text_check({});
  std::string text;
  while (text.size() < 2000) text += "The order came late again, and nobody at the desk knew why. ";
  const std::vector<std::string_view> texts{text};
  const TemporaryFolder folder;
  Store store(folder.path() / "s.db");
  Router router(share());
  std::size_t k = 0;
  for (auto _ : state) {
    ChoiceSignals raw;
    benchmark::DoNotOptimize(check->check(texts));
    const Signals signals = signals_of(requests, scope, {}, k++ % requests.z.rows, raw);
    const Decision decision = router.decide(signals);
    DecisionRecord record;
    record.id = new_decision_id();
    record.task = "mine";
    record.server = decision.side == Side::Server;
    record.reason = decision.reason;
    record.margin = raw.margin;
    record.confidence = signals.confidence;
    record.scope = signals.scope;
    record.score = decision.score;
    record.threshold = decision.threshold;
    store.add(record);
  }
  state.SetItemsProcessed(state.iterations());  // requests per second
}
BENCHMARK(BM_LookDecideAndLog)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace crayon
