// What one cell of a plan gave. A finished result holds just what a report keeps of it, so that one
// that is read from a report or the store is the same as one that was worked out.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "crayon/session/candidates.h"

namespace crayon {

/// What a method cost on one task.
struct BenchCost {
  double customize_seconds = 0;
  /// More that label calibration takes: to score the K examples. None: the method leaves no labels
  /// to the switch, or an earlier version did not measure it.
  std::optional<double> calibrate_seconds = {};
  double answer_seconds = 0;      ///< For all questions; the same when found again in the store.
  std::size_t answer_tokens = 0;  ///< Read for all questions, prompt and choices.
  std::size_t prompt_tokens = 0;  ///< Of these, the prompts'.
  std::size_t adapter_bytes = 0;  ///< In F16.
  std::size_t shots = 0;          ///< Examples in each prompt.
  std::size_t texts = 0;          ///< Examples whose texts were seen ...
  std::size_t labels = 0;         ///< ... and whose labels.
  std::size_t cut_questions = 0;
};

/// One method on one task with one draw of examples.
struct BenchResult {
  std::string task;
  std::string method;
  std::size_t k = 0;
  std::uint64_t seed = 0;
  std::string key;          ///< SHA-256 of all that decides the result: equal keys are equal work.
  ScoreTable scores;        ///< [questions][choices], head applied, before label calibration.
  ScoreTable calibrated;    ///< The same after it; equal where labels are not shared.
  bool calibrates = false;  ///< Do the task's examples share labels, and is it the switch's to use?
  std::vector<std::size_t> unparsed;  ///< Questions whose reply named no choice, ascending.
  std::vector<float> weights;         ///< [N], where the method has such.
  BenchCost cost;
  std::string machine;  ///< That worked it out: CPU and threads.
};

/// Four digits behind the point: what reports hold.
[[nodiscard]] double rounded(double x);

inline constexpr int kNoChoice = -1;

/// The choice with the highest score; of equal ones the first.
[[nodiscard]] int best_choice(const std::vector<float>& scores);

/// The choice for each question; kNoChoice, which is never right, where none was named.
/// @param calibrated  after label calibration
[[nodiscard]] std::vector<int> choices_of(const BenchResult& result, bool calibrated);

/// Rounds scores and weights as a report does, so that what is said of a result does not depend on
/// whether it has been through one. @throws Error Unavailable  a score that is not finite
void finish(BenchResult& result);

/// All but task, method, K, seed and key, which whoever asks for it knows.
[[nodiscard]] nlohmann::json stored(const BenchResult& result);
[[nodiscard]] BenchResult from_stored(const nlohmann::json& json);

}  // namespace crayon
