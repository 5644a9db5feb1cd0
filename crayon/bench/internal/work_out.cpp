#include "crayon/bench/internal/work_out.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

/// A, B and their scales in F16, without the file's header.
std::size_t bytes_of(const Adapter& adapter) {
  std::size_t numbers = 0;
  for (const LoraTensor& t : adapter.tensors) numbers += t.a.data.size() + t.b.data.size();
  return 2 * numbers;
}

/// Biases of the labels from the K examples' scores; their answers are not looked at.
void calibrate(const std::vector<BenchRow>& examples, const RowScores& of_examples,
               const std::vector<BenchRow>& questions, BenchResult& result) {
  std::vector<ScoredChoices> scored;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (std::ranges::binary_search(of_examples.unparsed, i)) continue;  // it prefers no label
    scored.push_back({examples[i].example.choices, of_examples.scores[i]});
  }
  const Head head = fit_label_calibration(scored);
  result.calibrated = result.scores;
  result.calibrates = !head.empty();
  for (std::size_t i = 0; i < questions.size() && result.calibrates; ++i) {
    result.calibrated[i] = apply_head(head, questions[i].example.choices, result.scores[i], {});
  }
}

}  // namespace

RowScores CellWork::answer_directly(const Prepared& prepared, const std::vector<BenchRow>& rows) {
  const Matrix z = z_of(rows);
  const auto start = std::chrono::steady_clock::now();
  RowScores found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    throw_if_interrupted();
    try {
      std::vector<float> scores = prepared.direct(rows[i], z.row(i));
      if (scores.empty()) {
        scores.assign(rows[i].example.choices.size(), 0.0F);
        found.unparsed.push_back(i);
      }
      found.scores.push_back(std::move(scores));
    } catch (const Error& error) {
      throw about_example(rows[i].example.id, error);
    }
  }
  found.seconds = seconds_since(start);
  return found;
}

RowScores CellWork::answer(const Method& method, const Prepared& prepared,
                           const std::vector<BenchRow>& rows, std::span<const BenchRow> shots) {
  if (!prepared.head.choice_probe.empty()) {
    return scorer_.score_with_states(prepared.adapter ? &*prepared.adapter : nullptr, rows);
  }
  if (!prepared.direct) {
    return scorer_.score(prepared.adapter ? &*prepared.adapter : nullptr, rows, shots);
  }
  if (method.sees != Method::Sees::Nothing) return answer_directly(prepared, rows);
  const Json key = {{"kind", "direct"},
                    {"method", method.name},
                    {"version", method.version},
                    {"server", options_.server},
                    {"rows", hash_rows(rows)}};
  RowScores found;
  if (const auto known = store_.get(key)) {
    known->at("scores").get_to(found.scores);
    known->at("seconds").get_to(found.seconds);
    found.unparsed = known->value("unparsed", found.unparsed);
    return found;
  }
  found = answer_directly(prepared, rows);
  Json kept = {{"scores", found.scores}, {"seconds", found.seconds}};
  if (!found.unparsed.empty()) kept["unparsed"] = found.unparsed;
  store_.put(key, kept);
  return found;
}

/// The K examples' own scores. Where examples stand in the prompt, none may stand in its own: each
/// half is scored behind the other one.
RowScores CellWork::score_examples(const Method& method, const Prepared& prepared,
                                   const std::vector<BenchRow>& examples,
                                   std::span<const BenchRow> shots) {
  if (shots.empty()) return answer(method, prepared, examples, {});
  const auto middle = examples.begin() + static_cast<std::ptrdiff_t>(examples.size() / 2);
  const std::vector<BenchRow> halves[] = {{examples.begin(), middle}, {middle, examples.end()}};
  RowScores all;
  for (const int half : {0, 1}) {
    if (halves[half].empty()) continue;
    std::span<const BenchRow> before(halves[1 - half]);
    before = before.first(scorer_.fitting_shots(halves[half], before));
    RowScores found = answer(method, prepared, halves[half], before);
    all.seconds += found.seconds;
    std::ranges::move(found.scores, std::back_inserter(all.scores));
  }
  return all;
}

void CellWork::apply(const Head& head, const std::vector<BenchRow>& rows, RowScores& found) {
  if (head.empty()) return;
  const Matrix z = z_of(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Matrix states = found.states.empty() ? Matrix{} : std::move(found.states[i]);
    found.scores[i] = apply_head(head, rows[i].example.choices, found.scores[i], z.row(i), states);
  }
}

BenchResult CellWork::work_out(const Method& method, const BenchTask& task,
                               const std::vector<BenchRow>& examples, std::uint64_t seed) {
  const MethodInput input{examples, task.training, seed, pool_, scorer_, tools_};
  (void)scorer_.take_saved_seconds();
  const auto start = std::chrono::steady_clock::now();
  const Prepared prepared = method.prepare(input);
  BenchResult result;
  result.cost.customize_seconds = prepared.seconds >= 0
                                      ? prepared.seconds
                                      : seconds_since(start) + scorer_.take_saved_seconds();

  std::span<const BenchRow> shots(prepared.shots);
  shots = shots.first(scorer_.fitting_shots(task.questions, shots));
  RowScores answered = answer(method, prepared, task.questions, shots);
  apply(prepared.head, task.questions, answered);
  result.scores = std::move(answered.scores);
  result.unparsed = std::move(answered.unparsed);
  result.calibrated = result.scores;
  if (prepared.head.empty() && !prepared.owns_head) {
    const RowScores of_examples = score_examples(method, prepared, examples, shots);
    calibrate(examples, of_examples, task.questions, result);
    result.cost.calibrate_seconds = of_examples.seconds;
  }
  result.weights = prepared.weights;
  result.cost.answer_seconds = answered.seconds;
  result.cost.answer_tokens = answered.tokens;
  result.cost.prompt_tokens = answered.prompt_tokens;
  result.cost.adapter_bytes = prepared.adapter ? bytes_of(*prepared.adapter) : 0;
  result.cost.shots = shots.size();
  result.cost.cut_questions = answered.cut_rows;
  result.machine = options_.machine;
  finish(result);
  return result;
}

}  // namespace crayon
