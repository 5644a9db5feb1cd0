// Summarises a run of made-up answers as large as benchmarks/full.toml: 22 tasks of 150 questions,
// all methods with three seeds at K = 32, four of them with one seed at three more K.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>

#include "crayon/base/random.h"
#include "crayon/bench/summary.h"

namespace crayon {
namespace {

constexpr std::size_t kTasks = 22;
constexpr std::size_t kQuestions = 150;
constexpr std::size_t kChoices = 4;

/// A question's score is above 0, and the answer right, by how easy the question is for all, by
/// what the method is worth and by noise; variances as in paired_test.cpp.
BenchResult made_up_result(const BenchTask& task, const std::string& method, std::size_t k,
                           std::uint64_t seed, double gain) {
  Rng ease(0, task.name);
  Rng own(0, task.name + method);
  Rng noise(seed, fmt::format("{} {} {}", task.name, method, k));
  const double luck = std::sqrt(0.05) * noise.normal();
  BenchResult result;
  result.task = task.name;
  result.method = method;
  result.k = k;
  result.seed = seed;
  for (std::size_t q = 0; q < kQuestions; ++q) {
    const double of_question = std::sqrt(0.7) * ease.normal() + std::sqrt(0.3) * own.normal();
    const double margin = gain + luck + of_question + std::sqrt(0.3) * noise.normal();
    std::vector<float> scores(kChoices, 0.0f);
    scores[0] = static_cast<float>(margin);
    result.scores.push_back(scores);
    scores[0] += static_cast<float>(0.1 + 0.2 * noise.normal());
    result.calibrated.push_back(scores);
  }
  return result;
}

BenchRun made_up_run(std::size_t n_methods) {
  BenchRun run;
  std::vector<std::string> methods{"base", "uniform", "multitask", "crayon"};
  for (std::size_t m = methods.size(); m < n_methods; ++m) methods.push_back(fmt::format("m{}", m));
  for (std::size_t t = 0; t < kTasks; ++t) {
    BenchTask task;
    task.name = fmt::format("task {:02}", t);
    task.kind = t < 5 ? TaskKind::Near : t < 12 ? TaskKind::Far : TaskKind::Pool;
    for (std::size_t q = 0; q < kQuestions; ++q) {
      BenchRow row;
      row.example.choices.assign(kChoices, "choice");
      row.example.answer = 0;
      task.questions.push_back(row);
    }
    for (std::size_t m = 0; m < methods.size(); ++m) {
      const double gain = -0.5 + 1.5 * double(t) / double(kTasks) + 0.02 * double(m % 7);
      const auto add = [&](std::size_t k, std::uint64_t seed) {
        run.results.push_back(made_up_result(task, methods[m], k, seed, gain));
      };
      for (const std::uint64_t seed : {1, 2, 3}) add(32, seed);
      for (const std::size_t k : {8, 16, 64}) {
        if (m < 4) add(k, 1);
      }
    }
    run.tasks.push_back(std::move(task));
  }
  return run;
}

void BM_Summarise(benchmark::State& state) {
  const BenchRun run = made_up_run(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    BenchSummary summary = summarise(run);
    benchmark::DoNotOptimize(summary);
  }
}
BENCHMARK(BM_Summarise)->ArgName("methods")->Arg(4)->Arg(22)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace crayon
