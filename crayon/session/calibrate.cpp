#include "crayon/session/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/prompt/answer.h"
#include "crayon/session/device.h"
#include "crayon/session/evaluate.h"
#include "crayon/session/internal/own_signals.h"
#include "crayon/session/server_side.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

constexpr std::size_t kBins = 10;
constexpr std::size_t kFolds = 10;

JudgedSignals judge_device(const TaskOnDevice& task, Engine& engine, const Example& question,
                           std::size_t hold_back) {
  JudgedSignals out;
  out.held_out = true;
  if (question.kind == ExampleKind::Choices) {
    const DeviceChoice device = task.choose(engine, question);
    out.signals = device.raw;
    out.right = device.choice == *question.answer;
    return out;
  }
  const Generated text = engine.generate(task.prompt(question).text, free_answer(question),
                                         [](const GeneratedToken&) { return !interrupted(); });
  throw_if_interrupted();
  const std::span tokens(text.tokens);
  out.signals = TaskOnDevice::raw_text_signals(tokens.first(std::min(tokens.size(), hold_back)));
  out.right = answers_label(question, text.text);
  return out;
}

/// Whether the server is right; none where the question may not leave.
std::optional<bool> judge_server(ServerDoor& door, const Example& question) {
  try {
    if (question.kind == ExampleKind::Choices) {
      return ask_choice(door, question).choice == question.answer;
    }
    return answers_label(question, ask_text(door, question, free_answer(question)).text);
  } catch (const Kept& kept) {
    if (kept_for_its_text(kept)) return std::nullopt;
    throw;  // labels of those before the budget was spent alone would mislead
  }
}

std::vector<ReliabilityBin> reliability(std::span<const double> confidences,
                                        std::span<const std::uint8_t> right) {
  std::vector<ReliabilityBin> bins(kBins);
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const auto at = static_cast<std::size_t>(confidences[i] * static_cast<double>(kBins));
    ReliabilityBin& bin = bins[std::min(at, kBins - 1)];
    ++bin.n;
    bin.confidence += confidences[i];
    bin.accuracy += right[i];
  }
  for (ReliabilityBin& bin : bins) {
    if (bin.n == 0) continue;
    bin.confidence /= static_cast<double>(bin.n);
    bin.accuracy /= static_cast<double>(bin.n);
  }
  return bins;
}

/// Confidence of each measured request by a calibration fitted without its part of ten.
std::vector<double> cross_fitted(std::span<const JudgedSignals> measured,
                                 std::span<const JudgedSignals> others, const Calibration& prior) {
  std::vector<double> out(measured.size());
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<JudgedSignals> rest(others.begin(), others.end());
    for (std::size_t i = 0; i < measured.size(); ++i) {
      if (i % kFolds != fold) rest.push_back(measured[i]);
    }
    const Calibration without = fit_to_judged(rest, prior);
    for (std::size_t i = fold; i < measured.size(); i += kFolds) {
      out[i] = confidence(without, measured[i].signals);
    }
  }
  return out;
}

void measure(CalibrateReport& report, std::span<const JudgedSignals> measured,
             std::span<const JudgedSignals> others, const Calibration& prior) {
  std::vector<double> raw;
  std::vector<double> before;
  std::vector<std::uint8_t> right;
  for (const JudgedSignals& j : measured) {
    raw.push_back(std::clamp(j.signals.margin, 0.0, 1.0));
    before.push_back(confidence(report.before, j.signals));
    right.push_back(j.right);
  }
  const auto after = cross_fitted(measured, others, prior);
  report.n_measured = measured.size();
  report.error_raw = expected_calibration_error(raw, right, kBins);
  report.error_before = expected_calibration_error(before, right, kBins);
  report.error_after = expected_calibration_error(after, right, kBins);
  report.reliability_before = reliability(before, right);
  report.reliability_after = reliability(after, right);
  report.coverage = risk_coverage(measured);
}

void check_labels(const CalibrateReport& report, bool anything_new) {
  if (!anything_new) {
    throw Error(ErrorCode::InvalidArgument,
                "calibrate: no labelled question and no mark; give --data FILE, or mark answers "
                "with `crayon feedback`");
  }
  const std::size_t n = report.n_examples + report.n_questions + report.n_marks;
  if (n >= kLeastLabels) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("calibrate: {} label{} in all ({} of the task's examples, {} questions, "
                          "{} marks); expected at least {}: label more",
                          n, n == 1 ? "" : "s", report.n_examples, report.n_questions,
                          report.n_marks, kLeastLabels));
}

}  // namespace

Calibration generic_for(Calibration of_pool, double guess) {
  if (of_pool.guess > 0) of_pool.guess = guess;
  return of_pool;
}

Calibration fit_to_judged(std::span<const JudgedSignals> judged, const Calibration& prior) {
  std::vector<ChoiceSignals> signals;
  std::vector<std::uint8_t> right;
  for (const JudgedSignals& one : judged) {
    signals.push_back(one.signals);
    right.push_back(one.right);
  }
  return fit_calibration(signals, right, prior);
}

std::optional<Calibration> fit_server_calibration(std::span<const JudgedSignals> judged) {
  std::vector<JudgedSignals> asked;
  double right = 0;
  for (const JudgedSignals& j : judged) {
    if (!j.server_right) continue;
    asked.push_back(j);
    asked.back().right = *j.server_right;
    right += *j.server_right ? 1 : 0;
  }
  if (asked.size() < kLeastLabels) return std::nullopt;
  const double mean = (right + 1) / (static_cast<double>(asked.size()) + 2);
  return fit_to_judged(asked, {.slope = 0, .intercept = std::log(mean / (1 - mean))});
}

std::vector<JudgedSignals> judge_questions(const Model& model, Engine& engine, const OpenTask& open,
                                           std::span<const Example> questions, ServerDoor* door,
                                           const OnProgress& on_progress, std::size_t hold_back) {
  for (const Example& question : questions) {
    if (has_label(question)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("question '{}' has no answer; expected a label for each", question.id));
  }
  const TaskOnDevice task(model, open);
  task.set_on(engine);
  std::vector<JudgedSignals> out;
  for (const Example& question : questions) {
    throw_if_interrupted();
    try {
      out.push_back(judge_device(task, engine, question, hold_back));
      if (door != nullptr) out.back().server_right = judge_server(*door, question);
    } catch (const Error& error) {
      throw about_example(question.id, error);
    }
    if (on_progress) on_progress({"judge", out.size(), questions.size()});
  }
  return out;
}

std::vector<JudgedSignals> judged_by_marks(std::span<const JudgedDecision> marks, bool choices) {
  std::vector<JudgedSignals> out;
  for (const JudgedDecision& mark : marks) {
    if (mark.record.server || mark.record.choices != choices) continue;
    JudgedSignals judged;
    judged.signals = internal::raw_signals(mark.record);
    judged.right = mark.good;
    out.push_back(judged);
  }
  return out;
}

CalibrateReport recalibrate(TaskInfo& info, std::span<const JudgedSignals> questions,
                            std::span<const JudgedSignals> marks) {
  std::vector<JudgedSignals> kept;
  for (const JudgedSignals& j : info.judged) {
    if (!j.held_out || questions.empty()) kept.push_back(j);
  }
  const auto earlier = static_cast<std::size_t>(
      std::ranges::count_if(kept, [](const JudgedSignals& j) { return j.held_out; }));
  CalibrateReport report;
  report.before = info.calibration;
  report.n_examples = kept.size() - earlier;
  report.n_questions = questions.size() + earlier;
  report.n_marks = marks.size();
  check_labels(report, !questions.empty() || !marks.empty());
  std::vector<JudgedSignals> others = kept;
  others.insert(others.end(), marks.begin(), marks.end());
  std::vector<JudgedSignals> all = others;
  all.insert(all.end(), questions.begin(), questions.end());
  report.after = fit_to_judged(all, info.generic);
  report.after.approximate = info.calibration.approximate;
  if (questions.empty()) {
    measure(report, all, {}, info.generic);
  } else {
    measure(report, questions, others, info.generic);
  }
  info.calibration = report.after;
  info.judged = std::move(kept);
  info.judged.insert(info.judged.end(), questions.begin(), questions.end());
  if (auto server = fit_server_calibration(info.judged)) info.server = server;
  report.server = info.server;
  // Of another scale now: the threshold starts from what is known of the task's own traffic.
  info.recent_scores.clear();
  for (const JudgedSignals& j : risk_examples(info).examples) {
    info.recent_scores.push_back(confidence(info.calibration, j.signals));
  }
  return report;
}

RiskExamples risk_examples(const TaskInfo& info) {
  RiskExamples out;
  for (const JudgedSignals& j : info.judged) {
    if (j.held_out) out.examples.push_back(j);
  }
  out.held_out = !out.examples.empty();
  if (!out.held_out) out.examples = info.judged;
  return out;
}

}  // namespace crayon
