// A task's calibration, fitted again to what is known of its answers: its own examples (leave-one-
// out), labelled questions that the task never saw, and answers that its user marked.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/formats/task_file.h"
#include "crayon/prompt/example.h"
#include "crayon/router/threshold.h"
#include "crayon/session/device.h"
#include "crayon/session/door.h"
#include "crayon/session/scoring.h"
#include "crayon/session/tasks.h"
#include "crayon/store/decisions.h"

namespace crayon {

/// The fewest labels, all sources together, from which anything is fitted.
inline constexpr std::size_t kLeastLabels = 8;

/// Answers labelled questions on the device, and where `door` is given on the server too; a
/// question that a check keeps here has no label of the server. Choices: the chosen one is the
/// label. Free text: exact match after normalize_answer(), signals of the first `hold_back` tokens.
/// @throws Error InvalidArgument  a question without a label, or one that cannot be asked: names it
/// @throws Error Unavailable      the server fails, or a budget is spent: half of its labels would
///                                mislead
/// @throws Interrupted
[[nodiscard]] std::vector<JudgedSignals> judge_questions(const Model& model, Engine& engine,
                                                         const OpenTask& task,
                                                         std::span<const Example> questions,
                                                         ServerDoor* door = nullptr,
                                                         const OnProgress& on_progress = {},
                                                         std::size_t hold_back = kHoldBackTokens);

/// What marks say of the device: those of its own answers of that kind. A mark of a server's answer
/// says nothing of it.
[[nodiscard]] std::vector<JudgedSignals> judged_by_marks(std::span<const JudgedDecision> marks,
                                                         bool choices);

/// The pool's calibration as a task starts from it, whose questions a guess gets right so often;
/// a pool's that knows no guessing stays as it is.
[[nodiscard]] Calibration generic_for(Calibration of_pool, double guess);
/// That calibration, shifted by what was got right.
[[nodiscard]] Calibration fit_to_judged(std::span<const JudgedSignals> judged,
                                        const Calibration& prior);

/// P(the server is right) as a logistic in the device's margin, shrunk towards the server's own
/// accuracy (ours). None where it was asked for fewer than kLeastLabels.
[[nodiscard]] std::optional<Calibration> fit_server_calibration(
    std::span<const JudgedSignals> judged);

/// Of the answers with a confidence in one tenth.
struct ReliabilityBin {
  double confidence = 0;  ///< Mean.
  double accuracy = 0;
  std::size_t n = 0;
};

struct CalibrateReport {
  Calibration before;
  Calibration after;
  std::optional<Calibration> server;  ///< P(the server is right), where enough labels of it exist.
  std::size_t n_examples = 0;         ///< The task's own, leave-one-out.
  std::size_t n_questions = 0;        ///< Labelled, unseen.
  std::size_t n_marks = 0;
  std::size_t n_measured = 0;  ///< What the numbers below were measured on: the questions, or all.
  double error_raw = 0;        ///< ECE, ten bins, of the margin taken as confidence ...
  double error_before = 0;     ///< ... of the old calibration ...
  double error_after = 0;      ///< ... of the new one, each part fitted without itself.
  std::vector<ReliabilityBin> reliability_before;  ///< Ten; empty ones have n 0.
  std::vector<ReliabilityBin> reliability_after;
  std::vector<CoveragePoint> coverage;
};

/// Fits the calibration to the task's examples, to `questions` (which replace those of an earlier
/// call; none: those stay) and to `marks`, shrunk towards the pool's generic one. Marks are used
/// and not kept: the store has them. Changes calibration, server, judged and recent scores of
/// `info`.
/// @throws Error InvalidArgument  fewer than kLeastLabels in all, or neither questions nor marks
[[nodiscard]] CalibrateReport recalibrate(TaskInfo& info, std::span<const JudgedSignals> questions,
                                          std::span<const JudgedSignals> marks);

/// The labelled requests that a target of risk is promised from: those that the task was not made
/// from, where there are any, else its own examples, whose promise is approximate.
struct RiskExamples {
  std::vector<JudgedSignals> examples;
  bool held_out = false;
};
[[nodiscard]] RiskExamples risk_examples(const TaskInfo& info);

}  // namespace crayon
