#include "crayon/session/internal/simulated_tasks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/random.h"
#include "crayon/router/router.h"
#include "crayon/session/candidates.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

constexpr std::size_t kLabels = 4;
constexpr std::size_t kWidth = 8;

struct Questions {
  ChoiceData data;
  ScoreTable blend;
  ScoreTable base;
};

Questions draw(const World& world, std::size_t n, Rng& rng, std::span<const double> leans) {
  Questions out;
  out.data.z = Matrix(n, kWidth);
  for (std::size_t k = 0; k < n; ++k) {
    const auto right = rng.below(kLabels);
    out.data.choices.push_back({"ash", "birch", "cedar", "elm"});
    out.data.answers.push_back(static_cast<int>(right));
    double norm = 0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double x = rng.normal() + (i == right ? world.z : 0);
      out.data.z.at(k, i) = static_cast<float>(x);
      norm += x * x;
    }
    for (float& x : out.data.z.row(k)) x /= static_cast<float>(std::sqrt(norm));
    for (auto [table, lift] : {std::pair{&out.blend, world.blend}, {&out.base, world.base}}) {
      std::vector<float> scores(kLabels);
      for (std::size_t c = 0; c < kLabels; ++c) {
        scores[c] =
            static_cast<float>(rng.normal() + world.lean * leans[c] + (c == right ? lift : 0));
      }
      table->push_back(std::move(scores));
    }
  }
  return out;
}

constexpr std::size_t kUsual = 1;  // blend+labels, as in customize()

/// A task of a world: its own examples, fresh questions, and what customize would keep.
struct SimulatedTask {
  Questions own;
  Questions fresh;
  std::vector<Candidate> all;
  const Candidate* kept = nullptr;
};

SimulatedTask simulate(const World& world, std::size_t k, Rng& rng) {
  std::vector<double> leans(kLabels);
  for (double& l : leans) l = rng.normal();
  SimulatedTask out{draw(world, k, rng, leans), draw(world, 300, rng, leans), {}, nullptr};
  out.all = candidates("blend", out.own.data, out.own.blend);
  for (auto& c : candidates("base", out.own.data, out.own.base)) out.all.push_back(std::move(c));
  out.kept = &choose_candidate(out.all, kUsual);
  return out;
}

/// Scores of the kept candidate, its head fitted on all examples, on its own or fresh questions.
ScoreTable scores_of(const SimulatedTask& task, const Questions& questions) {
  const ScoreTable& raw = task.kept->name.starts_with("base") ? questions.base : questions.blend;
  ScoreTable out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    out.push_back(
        apply_head(task.kept->head, questions.data.choices[i], raw[i], questions.data.z.row(i)));
  }
  return out;
}

struct Judged {
  std::vector<ChoiceSignals> signals;
  std::vector<std::uint8_t> right;
  void add(const ScoreTable& scores, std::span<const int> answers) {
    for (std::size_t k = 0; k < scores.size(); ++k) {
      signals.push_back(choice_signals(scores[k]));
      right.push_back(std::ranges::max_element(scores[k]) - scores[k].begin() == answers[k]);
    }
  }
};

const World kWorlds[] = {{"nothing to choose", 1, 1, 0, 0},
                         {"no signal", 0, 0, 0, 0},
                         {"labels lean", 1, 0.5, 1, 0},
                         {"probe helps", 0.7, 0.3, 0.5, 2},
                         {"good blend", 2, 0.5, 0.3, 0.5}};

}  // namespace

std::array<Outcome, 3> simulate(const World& world, std::size_t k, std::size_t tasks) {
  Rng rng(k, world.name);
  Judged others;
  for (std::size_t t = 0; t < 1 + tasks / 5; ++t) {
    const SimulatedTask task = simulate(world, k, rng);
    others.add(scores_of(task, task.fresh), task.fresh.data.answers);
  }
  const Calibration prior = fit_calibration(others.signals, others.right, {}, 0);
  std::array<Outcome, 3> means{};
  for (std::size_t t = 0; t < tasks; ++t) {
    const SimulatedTask task = simulate(world, k, rng);
    Judged fresh;
    fresh.add(scores_of(task, task.fresh), task.fresh.data.answers);
    const double truth = accuracy(fresh.right).accuracy;
    const ScoreTable tables[] = {scores_of(task, task.own), task.kept->scores,
                                 nested_scores(task.all, kUsual)};
    for (std::size_t way = 0; way < 3; ++way) {
      Judged own;
      own.add(tables[way], task.own.data.answers);
      const Calibration calibration = fit_calibration(own.signals, own.right, prior);
      std::vector<double> confidences;
      for (const auto& s : fresh.signals) confidences.push_back(confidence(calibration, s));
      const double mean = std::accumulate(confidences.begin(), confidences.end(), 0.0) /
                          static_cast<double>(confidences.size());
      const auto each = 1 / static_cast<double>(tasks);
      means[way].gap += each * (accuracy(own.right).accuracy - truth);
      means[way].over += each * (mean - truth);
      means[way].error += each * expected_calibration_error(confidences, fresh.right);
    }
  }
  return means;
}

std::span<const World> simulated_worlds() { return kWorlds; }

}  // namespace crayon
