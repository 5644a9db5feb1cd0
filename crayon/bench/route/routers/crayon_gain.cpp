// crayon-gain: what mode Price compares once `crayon calibrate` has asked the server for the
// examples too: the device's confidence less the server's.
#include "crayon/bench/route/router.h"
#include "crayon/session/calibrate.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  std::vector<JudgedSignals> judged;
  for (std::size_t k = 0; k < input.own.signals.size(); ++k) {
    judged.push_back({.signals = input.own.signals[k],
                      .right = input.own.device[k] != 0,
                      .server_right = input.own.server[k] != 0});
  }
  const auto server = fit_server_calibration(judged);
  const Router router(RouterOptions{});
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    const double device =
        router.score({.confidence = input.rows.confidence[i], .scope = input.rows.scope[i]});
    scores.push_back(device - (server ? confidence(*server, input.rows.signals[i]) : 0));
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(crayon_gain) = {
    .name = "crayon-gain",
    .order = 1,
    .summary = "the same less the server's calibrated confidence, as `--price` routes",
    .knows = BenchRouter::Knows::BothSides,
    .version = 1,
    .score = score,
};

}  // namespace crayon
