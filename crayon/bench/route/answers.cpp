#include "crayon/bench/route/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/bench/result.h"

namespace crayon {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DeviceRows, scores, right, log_prob, confidence, scope)

namespace {

using Json = nlohmann::json;

constexpr double kDigits = 1e6;  ///< Of probabilities: those near 0 and 1 are to be told apart.

double checked(double x, const char* what) {
  if (std::isfinite(x)) return x;
  throw Error(
      ErrorCode::Unavailable,
      fmt::format("a {} is {}, expected a finite number; look at the model, the adapter and "
                  "the build",
                  what, x));
}

void round_probabilities(std::vector<double>& numbers, const char* what) {
  for (double& x : numbers) x = std::round(checked(x, what) * kDigits) / kDigits + 0.0;
}

void finish_rows(DeviceRows& rows) {
  for (auto& row : rows.scores) {
    for (float& x : row) {
      x = static_cast<float>(rounded(checked(static_cast<double>(x), "score")));
    }
  }
  for (double& x : rows.log_prob) x = rounded(checked(x, "log-prob"));
  round_probabilities(rows.confidence, "confidence");
  round_probabilities(rows.scope, "scope");
}

}  // namespace

void finish(DeviceResult& result) {
  finish_rows(result.examples);
  finish_rows(result.questions);
  finish_rows(result.mixed);
  round_probabilities(result.recent_scores, "router score");
}

Json stored(const DeviceResult& result) {
  const auto rows_json = [](const DeviceRows& rows) {
    Json json = rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {  // as the digits are: a float has more
      for (std::size_t c = 0; c < rows.scores[i].size(); ++c) {
        json["scores"][i][c] = rounded(static_cast<double>(rows.scores[i][c]));
      }
    }
    return json;
  };
  return {{"kept", result.kept},
          {"calibration",
           {{"slope", result.calibration.slope},
            {"intercept", result.calibration.intercept},
            {"n", result.calibration.n},
            {"approximate", result.calibration.approximate},
            {"guess", result.calibration.guess}}},
          {"recent_scores", result.recent_scores},
          {"examples", rows_json(result.examples)},
          {"questions", rows_json(result.questions)},
          {"mixed", rows_json(result.mixed)}};
}

DeviceResult device_from_stored(const Json& json) {
  DeviceResult result;
  const Json& calibration = json.at("calibration");
  json.at("kept").get_to(result.kept);
  calibration.at("slope").get_to(result.calibration.slope);
  calibration.at("intercept").get_to(result.calibration.intercept);
  calibration.at("n").get_to(result.calibration.n);
  calibration.at("approximate").get_to(result.calibration.approximate);
  result.calibration.guess = calibration.value("guess", 0.0);  // older reports knew none
  json.at("recent_scores").get_to(result.recent_scores);
  json.at("examples").get_to(result.examples);
  json.at("questions").get_to(result.questions);
  json.at("mixed").get_to(result.mixed);
  return result;
}

Json stored(const ServerResult& result) {
  return {{"choices", result.choices}, {"right", result.right}};
}

ServerResult server_from_stored(const Json& json) {
  ServerResult result;
  json.at("choices").get_to(result.choices);
  json.at("right").get_to(result.right);
  return result;
}

bool fits(const DeviceRows& rows, const std::vector<BenchRow>& asked) {
  const std::size_t n = asked.size();
  return rows.right.size() == n && rows.log_prob.size() == n && rows.confidence.size() == n &&
         rows.scope.size() == n &&
         std::ranges::equal(rows.scores, asked, [](const auto& row, const BenchRow& question) {
           return row.size() == question.example.choices.size();
         });
}

bool fits(const ServerResult& result, const std::vector<BenchRow>& asked) {
  return result.choices.size() == asked.size() && result.right.size() == asked.size();
}

}  // namespace crayon
