// What both sides answered, row by row: the cells of a run of `crayon bench route`. A finished one
// holds just what a report keeps of it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "crayon/bench/task.h"
#include "crayon/router/router.h"
#include "crayon/session/candidates.h"

namespace crayon {

/// The device's answers to some rows, a column each.
struct DeviceRows {
  ScoreTable scores;                ///< [rows][choices] as `ask` compares them: head applied.
  std::vector<std::uint8_t> right;  ///< Is the choice with the highest score, of equal ones the
                                    ///< first, the right one?
  std::vector<double> log_prob;     ///< Of that choice before the head: mean of its tokens.
  std::vector<double> confidence;   ///< P(right), calibrated.
  std::vector<double> scope;        ///< p-value; 1 where the task has no scope.

  [[nodiscard]] std::size_t size() const { return right.size(); }
};

/// One task made from one draw of K examples, as `crayon customize` makes it.
struct DeviceResult {
  std::string task;
  std::uint64_t seed = 0;
  std::string key;   ///< SHA-256 of all that decides it.
  std::string kept;  ///< CustomizeReport::kept
  Calibration calibration;
  std::vector<double> recent_scores;  ///< TaskInfo::recent_scores
  DeviceRows examples;                ///< The K, by nested leave-one-out.
  DeviceRows questions;               ///< Of the task.
  DeviceRows mixed;                   ///< Of other tasks, as this one's device answers them.
  double seconds = 0;
  std::string machine;
};

/// One server's answers to one list of rows.
struct ServerResult {
  std::string server;
  std::string task;
  bool examples = false;   ///< The K of a draw, and not the task's questions.
  std::uint64_t seed = 0;  ///< Of that draw; 0 for questions.
  std::string key;
  std::vector<int> choices;         ///< -1: the reply named no choice, and counts as wrong.
  std::vector<std::uint8_t> right;  ///< Is it the right one?
  double seconds = 0;
  std::string machine;
};

/// Rounds as a report does. @throws Error Unavailable  a number that is not finite
void finish(DeviceResult& result);

/// All but task, seed, key, time and machine, which whoever asks for it knows or which stand apart.
[[nodiscard]] nlohmann::json stored(const DeviceResult& result);
[[nodiscard]] nlohmann::json stored(const ServerResult& result);
/// @throws nlohmann::json::exception  other JSON
[[nodiscard]] DeviceResult device_from_stored(const nlohmann::json& json);
[[nodiscard]] ServerResult server_from_stored(const nlohmann::json& json);

/// Does a result have a number for every row and choice?
[[nodiscard]] bool fits(const DeviceRows& rows, const std::vector<BenchRow>& asked);
[[nodiscard]] bool fits(const ServerResult& result, const std::vector<BenchRow>& asked);

}  // namespace crayon
