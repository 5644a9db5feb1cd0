#include "crayon/gate/head.h"

#include <charconv>
#include <iterator>
#include <map>
#include <set>

#include "crayon/base/sha256.h"
#include "crayon/base/text.h"
#include "crayon/gate/choice_probe.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;

constexpr double kCorrectedShare =
    0.85;  // of a label's leaning; measured, docs/design/customize.md

/// Place of a label in a head; labels.size() when unknown.
std::size_t find_label(const Head& head, std::uint64_t label) {
  const auto at = std::lower_bound(head.labels.begin(), head.labels.end(), label);
  if (at == head.labels.end() || *at != label) return head.labels.size();
  return static_cast<std::size_t>(at - head.labels.begin());
}

void check_head(const Head& head, std::size_t z_size) {
  require(head.bias.empty() || head.bias.size() == head.labels.size(),
          fmt::format("head: {} biases for {} labels; expected one for each", head.bias.size(),
                      head.labels.size()));
  if (head.probe.rows == 0) return;
  require(
      head.probe.rows == head.labels.size() && head.probe.cols == z_size + 1,
      fmt::format("head: probe [{}, {}] with {} labels and an embedding of {} numbers; expected "
                  "[labels, numbers + 1]",
                  head.probe.rows, head.probe.cols, head.labels.size(), z_size));
}

double probe_score(const Head& head, std::size_t label, std::span<const float> z) {
  if (head.probe.rows == 0) return 0;
  const auto row = head.probe.row(label);
  return internal::dot(row.first(z.size()), z) + double{row.back()};
}

void check_scored(const ScoredChoices& example) {
  require(example.choices.size() == example.scores.size(),
          fmt::format("head: {} scores for {} choices; expected one for each",
                      example.scores.size(), example.choices.size()));
  internal::require_finite(example.scores, "head: scores");
}

/// Score minus its example's mean score, of each time that a label is a choice.
struct Differences {
  double n = 0;
  double sum = 0;
  double squares = 0;
  [[nodiscard]] double mean() const { return sum / n; }
};
using LabelDifferences = std::map<std::uint64_t, Differences>;

LabelDifferences differences_of(std::span<const ScoredChoices> examples) {
  LabelDifferences labels;
  for (const ScoredChoices& example : examples) {
    double mean = 0;
    for (const float s : example.scores) mean += double{s};
    mean /= static_cast<double>(std::max<std::size_t>(1, example.scores.size()));
    for (std::size_t c = 0; c < example.choices.size(); ++c) {
      Differences& label = labels[label_hash(example.choices[c])];
      const double difference = double{example.scores[c]} - mean;
      ++label.n;
      label.sum += difference;
      label.squares += difference * difference;
    }
  }
  return labels;
}

struct Variances {
  double within = 0;   ///< Of a label's differences.
  double between = 0;  ///< Of the labels' true means; 0 when chance explains what was seen.
};

/// The ANOVA estimator for groups of unequal size, less one standard error of the ratio of the two
/// mean squares when there is nothing between. The differences of an example add up to 0, so the
/// mean over all is 0.
Variances variances_of(const LabelDifferences& labels) {
  double n = 0;
  double squared_sizes = 0;
  double sum_within = 0;
  double sum_between = 0;
  for (const auto& [hash, label] : labels) {
    n += label.n;
    squared_sizes += label.n * label.n;
    sum_within += label.squares - label.n * label.mean() * label.mean();
    sum_between += label.n * label.mean() * label.mean();
  }
  const double free_between = static_cast<double>(labels.size()) - 1;
  const double free_within = n - static_cast<double>(labels.size());
  Variances found;
  if (free_between < 1 || free_within < 1) return found;
  found.within = std::max(0.0, sum_within) / free_within;
  const double usual_size = (n - squared_sizes / n) / free_between;
  const double by_chance = found.within * (1 + std::sqrt(2 / free_between + 2 / free_within));
  found.between =
      std::max(0.0, sum_between / free_between - by_chance) / std::max(usual_size, 1e-9);
  return found;
}

}  // namespace

std::uint64_t label_hash(std::string_view label) {
  const std::string hex = sha256_hex(lowered(trimmed(label)));
  std::uint64_t hash = 0;
  std::from_chars(hex.data(), hex.data() + 16, hash, 16);
  return hash;
}

Head join_heads(const Head& a, const Head& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  require(a.bias.empty() || b.bias.empty(), "head: both heads hold a bias; expected one of them");
  require(a.probe.rows == 0 || b.probe.rows == 0,
          "head: both heads hold a probe; expected one of them");
  require(a.choice_probe.empty() || b.choice_probe.empty(),
          "head: both heads hold a choice probe; expected one of them");
  Head out;
  out.choice_probe = a.choice_probe.empty() ? b.choice_probe : a.choice_probe;
  std::set_union(a.labels.begin(), a.labels.end(), b.labels.begin(), b.labels.end(),
                 std::back_inserter(out.labels));
  const Head& biased = a.bias.empty() ? b : a;
  const Head& probed = a.probe.rows == 0 ? b : a;
  if (!biased.bias.empty()) out.bias.resize(out.labels.size());
  if (probed.probe.rows > 0) out.probe = Matrix(out.labels.size(), probed.probe.cols);
  out.probe_weight = probed.probe_weight;
  for (std::size_t i = 0; i < out.labels.size(); ++i) {
    const std::size_t in_biased = find_label(biased, out.labels[i]);
    const std::size_t in_probed = find_label(probed, out.labels[i]);
    if (in_biased < biased.bias.size()) out.bias[i] = biased.bias[in_biased];
    if (in_probed < probed.probe.rows) {
      const auto row = probed.probe.row(in_probed);
      std::copy(row.begin(), row.end(), out.probe.row(i).begin());
    }
  }
  return out;
}

std::vector<float> apply_head(const Head& head, std::span<const std::string> choices,
                              std::span<const float> scores, std::span<const float> z,
                              const Matrix& states) {
  require(choices.size() == scores.size(),
          fmt::format("head: {} scores for {} choices; expected one for each", scores.size(),
                      choices.size()));
  std::vector<float> out(scores.begin(), scores.end());
  if (head.empty()) return out;
  check_head(head, z.size());
  for (std::size_t c = 0; c < choices.size(); ++c) {
    const std::size_t label = find_label(head, label_hash(choices[c]));
    if (label == head.labels.size()) continue;
    const double bias = head.bias.empty() ? 0.0 : double{head.bias[label]};
    out[c] = static_cast<float>(double{scores[c]} - bias +
                                double{head.probe_weight} * probe_score(head, label, z));
  }
  if (head.choice_probe.empty()) return out;
  require(states.rows == choices.size(),
          fmt::format("head: states of {} choices for {}; expected one for each", states.rows,
                      choices.size()));
  const auto gains = apply_choice_probe(head.choice_probe, states);
  for (std::size_t c = 0; c < out.size(); ++c) out[c] += gains[c];
  return out;
}

bool share_labels(std::span<const ScoredChoices> examples) {
  std::map<std::uint64_t, std::size_t> in_examples;
  for (const ScoredChoices& example : examples) {
    std::set<std::uint64_t> own;
    for (const std::string& choice : example.choices) own.insert(label_hash(choice));
    for (const std::uint64_t label : own) ++in_examples[label];
  }
  const auto repeated = std::count_if(in_examples.begin(), in_examples.end(),
                                      [](const auto& label) { return label.second >= 2; });
  return repeated > 0 && 2 * static_cast<std::size_t>(repeated) >= in_examples.size();
}

Head fit_label_calibration(std::span<const ScoredChoices> examples) {
  for (const ScoredChoices& example : examples) check_scored(example);
  if (!share_labels(examples)) return {};
  const LabelDifferences labels = differences_of(examples);
  const Variances variances = variances_of(labels);
  if (variances.between <= 0) return {};
  const double shrink = variances.within / variances.between;
  Head head;
  for (const auto& [hash, label] : labels) {
    head.labels.push_back(hash);
    head.bias.push_back(static_cast<float>(kCorrectedShare * label.sum / (label.n + shrink)));
  }
  return head;
}

}  // namespace crayon
