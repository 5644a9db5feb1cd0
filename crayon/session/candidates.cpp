#include "crayon/session/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/gate/choice_probe.h"

namespace crayon {
namespace {

constexpr int kScales = 43;  // grid of beta: 1/8 to 16, six steps an octave
constexpr double kLogBetaDeviation = 2.0;
constexpr double kProbeWeights[] = {2, 5, 10, 20};
constexpr double kClearly = 2;  ///< Standard errors by which another candidate must be better.

double log_beta(int i) { return (static_cast<double>(i) / 6.0 - 3.0) * std::log(2.0); }
double prior(int i) {
  const double t = log_beta(i) / kLogBetaDeviation;
  return 0.5 * t * t;
}

double loss(std::span<const float> scores, int answer, double beta) {
  std::vector<float> scaled(scores.begin(), scores.end());
  for (float& s : scaled) s = static_cast<float>(beta * static_cast<double>(s));
  return -log_softmax(scaled)[static_cast<std::size_t>(answer)];
}

/// Loss of each example at each beta of the grid, [n][kScales].
std::vector<std::vector<double>> loss_grid(const ScoreTable& scores, std::span<const int> answers) {
  std::vector<std::vector<double>> grid(scores.size(), std::vector<double>(kScales));
  for (std::size_t k = 0; k < scores.size(); ++k) {
    for (int i = 0; i < kScales; ++i) {
      grid[k][static_cast<std::size_t>(i)] = loss(scores[k], answers[k], std::exp(log_beta(i)));
    }
  }
  return grid;
}

std::vector<double> grid_total(const std::vector<std::vector<double>>& grid) {
  std::vector<double> total(kScales);
  for (int i = 0; i < kScales; ++i) {
    total[static_cast<std::size_t>(i)] = prior(i);
    for (const auto& row : grid)
      total[static_cast<std::size_t>(i)] += row[static_cast<std::size_t>(i)];
  }
  return total;
}

std::size_t best(std::span<const double> total, std::span<const double> without = {}) {
  std::size_t at = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < total.size(); ++i) {
    const double value = total[i] - (without.empty() ? 0.0 : without[i]);
    if (value < least) least = value, at = i;
  }
  return at;
}

ChoiceData without(const ChoiceData& data, std::size_t k) {
  ChoiceData rest = data;
  const auto at = static_cast<std::ptrdiff_t>(k);
  rest.choices.erase(rest.choices.begin() + at);
  rest.answers.erase(rest.answers.begin() + at);
  const auto cols = static_cast<std::ptrdiff_t>(data.z.cols);
  rest.z.data.erase(rest.z.data.begin() + at * cols, rest.z.data.begin() + (at + 1) * cols);
  --rest.z.rows;
  return rest;
}

ScoreTable without(ScoreTable scores, std::size_t k) {
  scores.erase(scores.begin() + static_cast<std::ptrdiff_t>(k));
  return scores;
}

std::vector<ScoredChoices> scored(const ChoiceData& data, const ScoreTable& scores) {
  std::vector<ScoredChoices> all(data.choices.size());
  for (std::size_t k = 0; k < all.size(); ++k) all[k] = {data.choices[k], scores[k]};
  return all;
}

std::vector<int> labels_of(const ChoiceData& data) {
  std::vector<int> answers;
  for (const std::size_t k : labelled(data)) answers.push_back(data.answers[k]);
  return answers;
}

/// Heads fitted without one example each, for the labelled ones: label calibration, and the probe.
struct FoldHeads {
  std::vector<Head> labels;
  std::vector<Head> probes;
};

FoldHeads fit_folds(const ChoiceData& data, const ScoreTable& scores) {
  FoldHeads folds;
  for (const std::size_t k : labelled(data)) {
    const ChoiceData rest = without(data, k);
    folds.labels.push_back(label_head(rest, without(scores, k)));
    folds.probes.push_back(probe_head(rest));
  }
  return folds;
}

Head with_probe(const Head& labels, Head probe, double weight) {
  probe.probe_weight = static_cast<float>(weight);
  return join_heads(labels, probe);
}

/// Scores of the labelled examples under heads that each leave one out.
ScoreTable apply_folds(const ChoiceData& data, const ScoreTable& scores,
                       std::span<const Head> heads) {
  ScoreTable out;
  const auto rows = labelled(data);
  for (std::size_t f = 0; f < rows.size(); ++f) {
    const std::size_t k = rows[f];
    out.push_back(apply_head(heads[f], data.choices[k], scores[k], data.z.row(k)));
  }
  return out;
}

/// The weight of the probe that does best; its candidate.
Candidate probe_candidate(const std::string& name, const ChoiceData& data, const ScoreTable& scores,
                          const FoldHeads& folds) {
  Candidate found;
  found.log_loss = std::numeric_limits<double>::infinity();
  const auto answers = labels_of(data);
  for (const double weight : kProbeWeights) {
    std::vector<Head> heads;
    for (std::size_t f = 0; f < folds.labels.size(); ++f) {
      heads.push_back(with_probe(folds.labels[f], folds.probes[f], weight));
    }
    Candidate next = judge(name, apply_folds(data, scores, heads), answers);
    if (next.log_loss >= found.log_loss) continue;
    found = std::move(next);
    found.head = with_probe(label_head(data, scores), probe_head(data), weight);
  }
  return found;
}

/// The labelled examples as a choice probe on top of a head is fitted to them.
std::vector<AnsweredChoices> answered(const Head& below, const ChoiceData& data,
                                      const ScoreTable& scores, std::span<const Matrix> states) {
  std::vector<AnsweredChoices> examples;
  for (const std::size_t k : labelled(data)) {
    examples.push_back({.scores = apply_head(below, data.choices[k], scores[k], {}),
                        .states = states[k],
                        .answer = data.answers[k]});
  }
  return examples;
}

/// A choice probe on top of a candidate. What it gains is judged without each example (see
/// fit_choice_probe) and added to scores whose head was fitted without it too; the offsets that all
/// these gains start from are those of the whole head.
Candidate choice_candidate(const Candidate& below, const ChoiceData& data, const ScoreTable& scores,
                           std::span<const Matrix> states) {
  const auto examples = answered(below.head, data, scores, states);
  ChoiceProbe probe = fit_choice_probe(examples);
  ScoreTable judged = below.scores;
  for (std::size_t f = 0; f < judged.size(); ++f) {
    for (std::size_t c = 0; c < judged[f].size(); ++c) {
      judged[f][c] += probe.without_each[f][c] - examples[f].scores[c];
    }
  }
  Candidate found = judge(below.name + "+choices", judged, labels_of(data));
  found.head = below.head;
  found.head.choice_probe = std::move(probe.direction);
  return found;
}

/// The place of the one that choose_candidate() keeps, as if example `left_out` were not there.
std::size_t choose(std::span<const Candidate> all, std::size_t usual, std::size_t left_out) {
  const std::vector<double>& losses = all[usual].losses;
  std::size_t chosen = usual;
  double most = 0;
  for (std::size_t c = 0; c < all.size(); ++c) {
    double n = 0, sum = 0, squares = 0;
    for (std::size_t k = 0; k < losses.size(); ++k) {
      if (k == left_out) continue;
      const double gain = losses[k] - all[c].losses[k];
      ++n;
      sum += gain;
      squares += gain * gain;
    }
    if (n < 2) return usual;
    const double mean = sum / n;
    const double error = std::sqrt(std::max(0.0, squares / n - mean * mean) / (n - 1));
    if (mean - kClearly * error <= most) continue;
    most = mean - kClearly * error;
    chosen = c;
  }
  return chosen;
}

}  // namespace

std::vector<std::size_t> labelled(const ChoiceData& data) {
  std::vector<std::size_t> rows;
  for (std::size_t k = 0; k < data.answers.size(); ++k) {
    if (data.answers[k] >= 0) rows.push_back(k);
  }
  return rows;
}

double fit_scale(const ScoreTable& scores, std::span<const int> answers) {
  const auto total = grid_total(loss_grid(scores, answers));
  return std::exp(log_beta(static_cast<int>(best(total))));
}

Candidate judge(const std::string& name, const ScoreTable& scores, std::span<const int> answers) {
  if (scores.empty() || scores.size() != answers.size()) {
    throw Error(ErrorCode::InvalidArgument, "leave-one-out needs labelled examples");
  }
  const auto grid = loss_grid(scores, answers);
  const auto total = grid_total(grid);
  Candidate candidate{
      .name = name, .log_loss = 0, .losses = {}, .accuracy = {}, .scores = scores, .head = {}};
  std::vector<std::uint8_t> right;
  for (std::size_t k = 0; k < scores.size(); ++k) {
    candidate.losses.push_back(grid[k][best(total, grid[k])]);
    candidate.log_loss += candidate.losses.back() / static_cast<double>(scores.size());
    const auto top = std::ranges::max_element(scores[k]) - scores[k].begin();
    right.push_back(top == answers[k] ? 1 : 0);
  }
  candidate.accuracy = accuracy(right);
  return candidate;
}

const Candidate& choose_candidate(std::span<const Candidate> all, std::size_t usual) {
  return all[choose(all, usual, all[usual].losses.size())];
}

ScoreTable nested_scores(std::span<const Candidate> all, std::size_t usual) {
  ScoreTable scores;
  for (std::size_t k = 0; k < all.front().scores.size(); ++k) {
    scores.push_back(all[choose(all, usual, k)].scores[k]);
  }
  return scores;
}

bool labels_shared(const ChoiceData& data) {
  std::vector<ScoredChoices> all(data.choices.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    all[k] = {data.choices[k], std::vector<float>(data.choices[k].size(), 0.0f)};
  }
  return all.size() > 1 && share_labels(all);
}

Head label_head(const ChoiceData& data, const ScoreTable& scores) {
  const std::vector<ScoredChoices> all = scored(data, scores);
  const Head prior = fit_label_calibration(all);
  const bool answered = std::ranges::any_of(data.answers, [](int answer) { return answer >= 0; });
  return answered ? fit_label_biases(all, data.answers, prior) : prior;
}

Head choice_head(const ChoiceData& data, const ScoreTable& scores, std::span<const Matrix> states) {
  Head head = label_head(data, scores);
  head.choice_probe = fit_choice_probe(answered(head, data, scores, states)).direction;
  return head;
}

std::vector<Candidate> candidates(const std::string& name, const ChoiceData& data,
                                  const ScoreTable& scores, std::span<const Matrix> states) {
  const auto answers = labels_of(data);
  const FoldHeads none{std::vector<Head>(answers.size()), {}};
  std::vector<Candidate> found;
  found.push_back(judge(name, apply_folds(data, scores, none.labels), answers));
  std::size_t below = 0;
  if (labels_shared(data)) {
    const FoldHeads folds = fit_folds(data, scores);
    found.push_back(judge(name + "+labels", apply_folds(data, scores, folds.labels), answers));
    found.back().head = label_head(data, scores);
    below = 1;
    if (answers.size() > 1) {
      found.push_back(probe_candidate(name + "+labels+probe", data, scores, folds));
    }
  }
  if (!states.empty() && answers.size() > 1) {
    found.push_back(choice_candidate(found[below], data, scores, states));
  }
  return found;
}

std::size_t usual_candidate(std::span<const Candidate> all) {
  if (!all.back().head.choice_probe.empty() && all.back().losses.size() >= kFewAnswers) {
    return all.size() - 1;
  }
  return all.size() > 1 && !all[1].head.labels.empty() ? 1 : 0;
}

Head probe_head(const ChoiceData& data, double ridge) {
  const auto rows = labelled(data);
  if (rows.empty()) return {};
  Matrix z(rows.size(), data.z.cols);
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(data.z.row(rows[i]), z.row(i).begin());
    labels.push_back(data.choices[rows[i]][static_cast<std::size_t>(data.answers[rows[i]])]);
  }
  return fit_probe(z, labels, ridge);
}

}  // namespace crayon
