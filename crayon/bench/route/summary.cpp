#include "crayon/bench/route/summary.h"

#include <algorithm>
#include <cmath>

#include "crayon/base/interrupt.h"
#include "crayon/bench/result.h"
#include "crayon/bench/route/internal/route_data.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

constexpr double kScoreDigits = 1e6;

/// Rows of several matrices, one below the other.
Matrix below(const Matrix& a, const Matrix& b) {
  if (a.rows == 0) return b;
  Matrix all = a;
  all.rows += b.rows;
  all.data.insert(all.data.end(), b.data.begin(), b.data.end());
  return all;
}

void append(const RoutedAnswers& more, RoutedAnswers& to) {
  to.scores.insert(to.scores.end(), more.scores.begin(), more.scores.end());
  to.device.insert(to.device.end(), more.device.begin(), more.device.end());
  to.server.insert(to.server.end(), more.server.begin(), more.server.end());
}

/// The device against one server.
class OneServer {
 public:
  OneServer(const RouteRun& run, const RoutePlan& plan, const RouteData& data, std::string server)
      : run_(run), plan_(plan), data_(data), server_(std::move(server)) {}

  ServerSummary summarise();

 private:
  /// Both sides' answers, own questions first; `mixed` adds those of others.
  [[nodiscard]] RoutedAnswers answers(std::size_t t, std::size_t s, bool mixed) const;
  [[nodiscard]] LabelledRows own(std::size_t t, std::size_t s) const;
  [[nodiscard]] LabelledRows others(std::size_t t, std::size_t s) const;
  [[nodiscard]] Matrix mixed_z(std::size_t t) const;
  void score_all(std::size_t t, std::size_t s);
  [[nodiscard]] const RouterScores& scores_of(std::size_t t, std::size_t s,
                                              const BenchRouter* router) const;
  /// [routers][tasks], each task with its draws.
  [[nodiscard]] std::vector<std::vector<RoutedTask>> routed(const std::vector<std::size_t>& tasks,
                                                            bool mixed) const;
  /// What each row of the tasks' mixed traffic asks: a task's question, of which others' traffic
  /// may hold copies.
  [[nodiscard]] std::vector<std::vector<AskedQuestion>> mixed_questions(
      const std::vector<std::size_t>& tasks) const;
  [[nodiscard]] RoutingBands bands(const std::vector<std::size_t>& tasks, bool mixed) const {
    RoutingOptions options{.resamples = plan_.resamples};
    if (mixed) options.questions = mixed_questions(tasks);
    return routing_bands(routed(tasks, mixed), options);
  }
  /// All tasks' own questions as one list, which one threshold divides.
  [[nodiscard]] RoutingBands pooled_bands() const;
  [[nodiscard]] RouteTaskSummary task_summary(std::size_t t) const;
  [[nodiscard]] ShareLine share_line(double asked) const;
  [[nodiscard]] std::vector<double> risk_curve(const BenchRouter* router) const;

  const RouteRun& run_;
  const RoutePlan& plan_;
  const RouteData& data_;
  std::string server_;
  std::vector<std::size_t> tasks_;
  ServerSummary summary_;
};

RoutedAnswers OneServer::answers(std::size_t t, std::size_t s, bool mixed) const {
  const DeviceResult& device = *data_.device(t, s);
  RoutedAnswers found{
      .scores = {}, .device = device.questions.right, .server = data_.questions(server_, t)->right};
  if (!mixed) return found;
  const auto& rows = run_.mixed[t];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found.device.push_back(device.mixed.right[i]);
    found.server.push_back(data_.questions(server_, rows[i].task)->right[rows[i].question]);
  }
  return found;
}

LabelledRows OneServer::own(std::size_t t, std::size_t s) const {
  LabelledRows rows;
  const DeviceRows& examples = data_.device(t, s)->examples;
  for (const auto& scores : examples.scores) rows.signals.push_back(choice_signals(scores));
  rows.device = examples.right;
  rows.server = data_.examples(server_, t, s)->right;
  const Matrix& z = run_.example_z[t][s];
  rows.z = Matrix(rows.device.size(), z.cols);
  std::copy_n(z.data.begin(), rows.z.data.size(), rows.z.data.begin());
  return rows;
}

LabelledRows OneServer::others(std::size_t t, std::size_t s) const {
  LabelledRows all;
  for (const std::size_t other : tasks_) {
    if (other == t) continue;
    const LabelledRows rows = own(other, s);
    all.z = below(all.z, rows.z);
    all.signals.insert(all.signals.end(), rows.signals.begin(), rows.signals.end());
    all.device.insert(all.device.end(), rows.device.begin(), rows.device.end());
    all.server.insert(all.server.end(), rows.server.begin(), rows.server.end());
  }
  if (all.z.rows == 0) all.z = Matrix(0, run_.question_z[t].cols);
  return all;
}

Matrix OneServer::mixed_z(std::size_t t) const {
  const auto& rows = run_.mixed[t];
  Matrix z(rows.size(), run_.question_z[t].cols);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(run_.question_z[rows[i].task].row(rows[i].question), z.row(i).begin());
  }
  return z;
}

/// Both lists of rows under every router, rounded as a report rounds them.
void OneServer::score_all(std::size_t t, std::size_t s) {
  const DeviceResult& device = *data_.device(t, s);
  const RouterRows rows[] = {router_rows(device.questions, run_.question_z[t]),
                             router_rows(device.mixed, mixed_z(t))};
  const LabelledRows of_own = own(t, s);
  const LabelledRows of_others = others(t, s);
  const bool has_mixed = std::ranges::find(summary_.mixed_tasks, t) != summary_.mixed_tasks.end();
  const RoutedAnswers all = answers(t, s, has_mixed);
  const auto n = static_cast<std::ptrdiff_t>(rows[0].size());
  const LabelledRows outcomes[] = {{{},
                                    {},
                                    {all.device.begin(), all.device.begin() + n},
                                    {all.server.begin(), all.server.begin() + n}},
                                   {{},
                                    {},
                                    {all.device.begin() + n, all.device.end()},
                                    {all.server.begin() + n, all.server.end()}}};
  for (const BenchRouter* router : summary_.routers) {
    const bool knows = router->knows == BenchRouter::Knows::Answers;
    RouterScores found{.task = t, .seed = s, .router = router, .questions = {}, .mixed = {}};
    std::vector<double>* to[] = {&found.questions, &found.mixed};
    for (const int part : {0, 1}) {
      if (part == 1 && !has_mixed) continue;
      *to[part] = router->score({rows[part], of_own, of_others, knows ? &outcomes[part] : nullptr});
      for (double& x : *to[part]) x = std::round(x * kScoreDigits) / kScoreDigits + 0.0;
    }
    summary_.scores.push_back(std::move(found));
  }
}

const RouterScores& OneServer::scores_of(std::size_t t, std::size_t s,
                                         const BenchRouter* router) const {
  return *std::ranges::find_if(summary_.scores, [&](const RouterScores& one) {
    return one.task == t && one.seed == s && one.router == router;
  });
}

std::vector<std::vector<RoutedTask>> OneServer::routed(const std::vector<std::size_t>& tasks,
                                                       bool mixed) const {
  std::vector<std::vector<RoutedTask>> routers;
  for (const BenchRouter* router : summary_.routers) {
    auto& of_tasks = routers.emplace_back();
    for (const std::size_t t : tasks) {
      auto& draws = of_tasks.emplace_back();
      for (std::size_t s = 0; s < data_.n_seeds(); ++s) {
        const RouterScores& scores = scores_of(t, s, router);
        RoutedAnswers all = answers(t, s, mixed);
        all.scores = scores.questions;
        if (mixed) all.scores.insert(all.scores.end(), scores.mixed.begin(), scores.mixed.end());
        draws.push_back(std::move(all));
      }
    }
  }
  return routers;
}

std::vector<std::vector<AskedQuestion>> OneServer::mixed_questions(
    const std::vector<std::size_t>& tasks) const {
  std::vector<std::vector<AskedQuestion>> asked;
  for (const std::size_t t : tasks) {
    auto& rows = asked.emplace_back();
    for (std::size_t i = 0; i < run_.tasks[t].questions.size(); ++i) rows.push_back({t, i});
    for (const MixedRow& row : run_.mixed[t]) rows.push_back({row.task, row.question});
  }
  return asked;
}

RoutingBands OneServer::pooled_bands() const {
  std::vector<std::vector<RoutedTask>> routers = routed(tasks_, false);
  for (auto& of_tasks : routers) {
    RoutedTask all = std::move(of_tasks.front());
    for (std::size_t t = 1; t < of_tasks.size(); ++t) {
      for (std::size_t s = 0; s < all.size(); ++s) append(of_tasks[t][s], all[s]);
    }
    of_tasks = {std::move(all)};
  }
  return routing_bands(routers, {.resamples = plan_.resamples});
}

RouteTaskSummary OneServer::task_summary(std::size_t t) const {
  RouteTaskSummary found{.task = t, .bands = bands({t}, false)};
  const DeferralCurve& curve = found.bands.routers.front().curve;
  found.device = curve.device();
  found.server = curve.server();
  found.unparsed =
      static_cast<std::size_t>(std::ranges::count(data_.questions(server_, t)->choices, -1));
  return found;
}

/// The product's own router, counting along: warmed up by the examples' scores, one question after
/// the other.
ShareLine OneServer::share_line(double asked) const {
  ShareLine line{.asked = asked, .least = 1};
  const auto runs = static_cast<double>(tasks_.size() * data_.n_seeds());
  for (const std::size_t t : tasks_) {
    for (std::size_t s = 0; s < data_.n_seeds(); ++s) {
      const DeviceResult& device = *data_.device(t, s);
      const RoutedAnswers all = answers(t, s, false);
      Router router({.mode = RouteMode::ServerShare, .server_share = asked});
      router.warm_up(device.recent_scores);
      double sent = 0;
      double right = 0;
      for (std::size_t i = 0; i < all.device.size(); ++i) {
        const bool server = router
                                .decide({.confidence = device.questions.confidence[i],
                                         .scope = device.questions.scope[i]})
                                .side == Side::Server;
        sent += server ? 1 : 0;
        right += server ? all.server[i] : all.device[i];
      }
      const auto n = static_cast<double>(all.device.size());
      line.realised += sent / n / runs;
      line.accuracy += right / n / runs;
      line.least = std::min(line.least, sent / n);
      line.most = std::max(line.most, sent / n);
    }
  }
  return line;
}

std::vector<double> OneServer::risk_curve(const BenchRouter* router) const {
  std::vector<double> mean(kCoverages);
  const auto runs = static_cast<double>(tasks_.size() * data_.n_seeds());
  for (const std::size_t t : tasks_) {
    for (std::size_t s = 0; s < data_.n_seeds(); ++s) {
      RoutedAnswers all = answers(t, s, false);
      all.scores = scores_of(t, s, router).questions;
      const std::vector<double> risks = selective_risks(all);
      for (std::size_t c = 1; c <= kCoverages; ++c) {
        const std::size_t k = (c * risks.size() + kCoverages - 1) / kCoverages;
        mean[c - 1] += risks[k - 1] / runs;
      }
    }
  }
  return mean;
}

ServerSummary OneServer::summarise() {
  summary_.server = server_;
  tasks_ = data_.tasks(server_);
  for (const BenchRouter* router : all_routers()) {
    if (router->score != nullptr) summary_.routers.push_back(router);
  }
  if (tasks_.empty()) return std::move(summary_);
  for (const std::size_t t : tasks_) {
    // The server may not have answered all that the mix is made of yet.
    const bool complete = std::ranges::all_of(run_.mixed[t], [&](const MixedRow& row) {
      return data_.questions(server_, row.task) != nullptr;
    });
    if (complete && !run_.mixed[t].empty()) summary_.mixed_tasks.push_back(t);
  }
  for (const std::size_t t : tasks_) {
    for (std::size_t s = 0; s < data_.n_seeds(); ++s) score_all(t, s);
  }
  for (const std::size_t t : tasks_) {
    throw_if_interrupted();
    summary_.tasks.push_back(task_summary(t));
  }
  summary_.all = bands(tasks_, false);
  if (tasks_.size() > 1) summary_.pooled = pooled_bands();
  if (!summary_.mixed_tasks.empty()) summary_.mixed = bands(summary_.mixed_tasks, true);
  for (const double asked : plan_.shares) summary_.shares.push_back(share_line(asked));
  for (const BenchRouter* router : summary_.routers) summary_.risks.push_back(risk_curve(router));
  return std::move(summary_);
}

}  // namespace

RouteSummary summarise(const RouteRun& run, const RoutePlan& plan) {
  const RouteData data(run, plan);
  RouteSummary summary;
  for (const std::string& server : run.servers) {
    throw_if_interrupted();
    summary.servers.push_back(OneServer(run, plan, data, server).summarise());
  }
  summarise_device(run, plan, data, summary);
  return summary;
}

}  // namespace crayon
