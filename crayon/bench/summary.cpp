#include "crayon/bench/summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "crayon/stats/stats.h"

namespace crayon {
namespace {

struct Answers {
  std::map<std::uint64_t, std::vector<double>> right;  ///< [questions] for each seed
  double calibration_error = 0;
};

/// One method, K and switch: what it got on each task.
using ByTask = std::map<std::string, Answers>;

/// A method's answers on a task, or two methods' difference, for all groups that hold the task.
struct Ready {
  TwoWayTask task;
  std::optional<TwoWayEstimate> alone;  ///< Of the task alone, once asked for.
};

double top_share(std::span<const float> scores) {
  const auto log_p = log_softmax(scores);
  return std::exp(*std::ranges::max_element(log_p));
}

void add(const BenchTask& task, const BenchResult& result, bool calibrated, Answers& answers) {
  const ScoreTable& scores = calibrated ? result.calibrated : result.scores;
  const std::vector<int> choices = choices_of(result, calibrated);
  std::vector<double> right;
  std::vector<double> confidence;
  std::vector<std::uint8_t> hits;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    hits.push_back(choices[i] == *task.questions[i].example.answer ? 1 : 0);
    right.push_back(hits.back());
    confidence.push_back(top_share(scores[i]));
  }
  const double n = static_cast<double>(answers.right.size());
  const double error = expected_calibration_error(confidence, hits);
  answers.calibration_error = (answers.calibration_error * n + error) / (n + 1);
  answers.right[result.seed] = std::move(right);
}

bool in_group(const std::string& group, TaskKind kind) {
  if (group == "all") return true;
  if (group == "held-out") return kind != TaskKind::Pool;
  return to_string(kind) == group;
}

class Summary {
 public:
  explicit Summary(const BenchRun& run) : run_(run) {
    for (const BenchResult& result : run.results) {
      if (methods_seen_.insert(result.method).second) methods_.push_back(result.method);
      ks_.insert(result.k);
      const auto task = std::ranges::find(run.tasks, result.task, &BenchTask::name);
      for (const bool calibrated : {false, true}) {
        add(*task, result, calibrated,
            answers_[{result.k, calibrated, result.method}][result.task]);
      }
    }
  }

  BenchSummary all() {
    BenchSummary summary;
    for (const std::size_t k : ks_) {
      for (const bool calibrated : {false, true}) {
        for (const char* group : {"held-out", "near", "far", "pool", "all"}) {
          SummaryTable table = make_table(k, calibrated, group);
          if (!table.lines.empty()) summary.tables.push_back(std::move(table));
        }
        add_task_lines(k, calibrated, summary.tasks);
        ready_.clear();
      }
    }
    return summary;
  }

 private:
  [[nodiscard]] std::vector<std::string> tasks_of(const std::string& group) const {
    std::vector<std::string> names;
    for (const BenchTask& task : run_.tasks) {
      if (in_group(group, task.kind)) names.push_back(task.name);
    }
    return names;
  }

  [[nodiscard]] const ByTask* find(std::size_t k, bool calibrated, const std::string& name) const {
    const auto found = answers_.find({k, calibrated, name});
    return found == answers_.end() ? nullptr : &found->second;
  }

  /// A method's answers on these tasks; nothing when it lacks one of them.
  [[nodiscard]] static std::vector<const Answers*> pick(const ByTask* by_task,
                                                        const std::vector<std::string>& tasks) {
    std::vector<const Answers*> picked;
    for (const std::string& task : tasks) {
      if (by_task == nullptr || !by_task->contains(task)) return {};
      picked.push_back(&by_task->at(task));
    }
    return picked;
  }

  SummaryTable make_table(std::size_t k, bool calibrated, const std::string& group) {
    SummaryTable table{
        .k = k, .group = group, .label_calibration = calibrated, .lines = {}, .ours = {}};
    const auto tasks = tasks_of(group);
    table.tasks = tasks.size();
    if (tasks.empty()) return table;
    for (const std::string& method : methods_) {
      const auto answers = pick(find(k, calibrated, method), tasks);
      if (answers.empty()) continue;
      SummaryLine line{.method = method,
                       .tasks = tasks.size(),
                       .seeds = answers.front()->right.size(),
                       .accuracy = accuracy(answers),
                       .against = {}};
      for (const Answers* on_task : answers) {
        line.seeds = std::min(line.seeds, on_task->right.size());
        line.calibration_error += on_task->calibration_error / static_cast<double>(tasks.size());
      }
      for (const char* rival : kRivals) {
        if (method == rival) continue;
        auto comparison = compare(rival, answers, pick(find(k, calibrated, rival), tasks));
        if (comparison) line.against.push_back(std::move(*comparison));
      }
      table.lines.push_back(std::move(line));
    }
    for (const char* rival : kRivals) correct(held_to(rival, table));
    for (const char* method : kOurs) add_ours(method, tasks, table);
    return table;
  }

  /// A line for one of ours, where the table has it.
  void add_ours(const std::string& method, const std::vector<std::string>& tasks,
                SummaryTable& table) {
    const auto answers = pick(find(table.k, table.label_calibration, method), tasks);
    if (answers.empty()) return;
    OursLine ours{.method = method, .against = {}};
    for (const SummaryLine& line : table.lines) {
      if (line.method == method) continue;
      auto comparison = compare(line.method, answers,
                                pick(find(table.k, table.label_calibration, line.method), tasks));
      if (comparison) ours.against.push_back(std::move(*comparison));
    }
    std::vector<Comparison*> family;
    for (Comparison& comparison : ours.against) family.push_back(&comparison);
    correct(family);
    table.ours.push_back(std::move(ours));
  }

  static TaskScores all_rows(const Answers& answers) {
    TaskScores rows;
    for (const auto& [seed, right] : answers.right) rows.push_back(right);
    return rows;
  }

  /// The rows of the seeds that both have.
  static TaskScores common_rows(const Answers& of, const Answers& with) {
    TaskScores rows;
    for (const auto& [seed, right] : of.right) {
      if (with.right.contains(seed)) rows.push_back(right);
    }
    return rows;
  }

  /// Made ready once for all groups; nothing where the two have no seed in common.
  /// @param with  what to take the difference from; null: none
  Ready* ready(const Answers& of, const Answers* with) {
    const auto key = std::pair(&of, with);
    if (const auto found = ready_.find(key); found != ready_.end()) return &found->second;
    TaskScores rows = with == nullptr ? all_rows(of) : common_rows(of, *with);
    if (rows.empty()) return nullptr;
    if (with != nullptr) rows = paired_difference(rows, common_rows(*with, of));
    return &ready_.emplace(key, Ready{TwoWayTask(rows), std::nullopt}).first->second;
  }

  TwoWayEstimate accuracy(const std::vector<const Answers*>& answers) {
    std::vector<const TwoWayTask*> tasks;
    for (const Answers* on_task : answers) tasks.push_back(&ready(*on_task, nullptr)->task);
    return bootstrap_.estimate(tasks);
  }

  /// None where the rival lacks a task, or the two have no seed in common.
  std::optional<Comparison> compare(const std::string& rival,
                                    const std::vector<const Answers*>& answers,
                                    const std::vector<const Answers*>& other) {
    if (other.empty()) return std::nullopt;
    std::vector<const TwoWayTask*> tasks;
    std::vector<TwoWayEstimate> alone;
    for (std::size_t t = 0; t < answers.size(); ++t) {
      Ready* difference = ready(*answers[t], other[t]);
      if (difference == nullptr) return std::nullopt;
      tasks.push_back(&difference->task);
      if (!difference->alone) difference->alone = bootstrap_.estimate(difference->task);
      alone.push_back(*difference->alone);
    }
    return Comparison{.against = rival,
                      .tasks = tasks.size(),
                      .difference = bootstrap_.estimate(tasks),
                      .counts = count_wins(alone)};
  }

  static std::vector<Comparison*> held_to(const std::string& rival, SummaryTable& table) {
    std::vector<Comparison*> held;
    for (SummaryLine& line : table.lines) {
      for (Comparison& comparison : line.against) {
        if (comparison.against == rival) held.push_back(&comparison);
      }
    }
    return held;
  }

  static void correct(const std::vector<Comparison*>& family) {
    std::vector<double> p;
    for (const Comparison* comparison : family) p.push_back(comparison->difference.p_value);
    const auto corrected = holm(p);
    for (std::size_t i = 0; i < family.size(); ++i) family[i]->holm_p = corrected[i];
  }

  void add_task_lines(std::size_t k, bool calibrated, std::vector<TaskLine>& lines) {
    for (const BenchTask& task : run_.tasks) {
      for (const std::string& method : methods_) {
        const ByTask* by_task = find(k, calibrated, method);
        if (by_task == nullptr || !by_task->contains(task.name)) continue;
        const Answers& answers = by_task->at(task.name);
        const TwoWayTask& ready_task = ready(answers, nullptr)->task;
        lines.push_back({.task = task.name,
                         .method = method,
                         .k = k,
                         .label_calibration = calibrated,
                         .seeds = answers.right.size(),
                         .questions = answers.right.begin()->second.size(),
                         .accuracy = ready_task.mean(),
                         .standard_error = ready_task.standard_error(),
                         .calibration_error = answers.calibration_error});
      }
    }
  }

  const BenchRun& run_;
  std::map<std::tuple<std::size_t, bool, std::string>, ByTask> answers_;
  std::vector<std::string> methods_;
  std::set<std::string> methods_seen_;
  std::set<std::size_t> ks_;
  TwoWayBootstrap bootstrap_;
  /// By the answers and what they are held to; of one K and state of the switch.
  std::map<std::pair<const Answers*, const Answers*>, Ready> ready_;
};

}  // namespace

BenchSummary summarise(const BenchRun& run) { return Summary(run).all(); }

}  // namespace crayon
