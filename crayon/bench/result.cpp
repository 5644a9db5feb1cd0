#include "crayon/bench/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"

namespace crayon {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BenchCost, customize_seconds, answer_seconds, answer_tokens,
                                   prompt_tokens, adapter_bytes, shots, texts, labels,
                                   cut_questions)

namespace {

void round_all(std::vector<float>& numbers, const char* what) {
  for (float& x : numbers) {
    if (!std::isfinite(x)) {
      throw Error(ErrorCode::Unavailable, fmt::format("a {} is {}, expected a finite number; look "
                                                      "at the model, the adapter and the build",
                                                      what, x));
    }
    x = static_cast<float>(rounded(static_cast<double>(x)));
  }
}

}  // namespace

double rounded(double x) { return std::round(x * 1e4) / 1e4 + 0.0; }  // + 0.0: no -0.0

int best_choice(const std::vector<float>& scores) {
  return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
}

std::vector<int> choices_of(const BenchResult& result, bool calibrated) {
  std::vector<int> choices;
  for (const auto& scores : calibrated ? result.calibrated : result.scores) {
    choices.push_back(best_choice(scores));
  }
  for (const std::size_t i : result.unparsed) choices[i] = kNoChoice;
  return choices;
}

void finish(BenchResult& result) {
  for (auto& row : result.scores) round_all(row, "score");
  for (auto& row : result.calibrated) round_all(row, "score");
  round_all(result.weights, "weight");
}

nlohmann::json stored(const BenchResult& result) {
  nlohmann::json json = {{"scores", result.scores},
                         {"calibrated", result.calibrated},
                         {"calibrates", result.calibrates},
                         {"weights", result.weights},
                         {"cost", result.cost},
                         {"machine", result.machine}};
  if (result.cost.calibrate_seconds) json["calibrate_seconds"] = *result.cost.calibrate_seconds;
  if (!result.unparsed.empty()) json["unparsed"] = result.unparsed;
  return json;
}

BenchResult from_stored(const nlohmann::json& json) {
  BenchResult result;
  json.at("scores").get_to(result.scores);
  json.at("calibrated").get_to(result.calibrated);
  json.at("calibrates").get_to(result.calibrates);
  json.at("weights").get_to(result.weights);
  if (const auto found = json.find("calibrate_seconds"); found != json.end()) {
    result.cost.calibrate_seconds = found->get<double>();
  }
  result.unparsed = json.value("unparsed", result.unparsed);
  json.at("cost").get_to(result.cost);
  json.at("machine").get_to(result.machine);
  return result;
}

}  // namespace crayon
