// The bands of 22 methods on 22 tasks of 150 questions and three seeds, for five groups of tasks:
// with a call for each, and with tasks made ready and random numbers drawn once for all.
#include <benchmark/benchmark.h>

#include "crayon/base/random.h"
#include "crayon/stats/paired.h"

namespace crayon {
namespace {

constexpr std::size_t kMethods = 22;
constexpr std::size_t kTasks = 22;

std::vector<TaskScores> answers_of_a_method(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<TaskScores> tasks(kTasks, TaskScores(3, std::vector<double>(150)));
  for (TaskScores& task : tasks) {
    for (std::vector<double>& row : task) {
      for (double& right : row) right = rng.uniform() < 0.6 ? 1 : 0;
    }
  }
  return tasks;
}

struct Group {
  std::size_t first, size;
};
constexpr Group kGroups[] = {{0, 5}, {5, 7}, {0, 12}, {12, 10}, {0, 22}};

void BM_ACallForEachGroup(benchmark::State& state) {
  const auto tasks = answers_of_a_method(1);
  for (auto _ : state) {
    for (std::size_t method = 0; method < kMethods; ++method) {
      for (const Group& group : kGroups) {
        auto estimate = two_way_bootstrap(std::span(tasks).subspan(group.first, group.size));
        benchmark::DoNotOptimize(estimate);
      }
    }
  }
}

void BM_SharedByAllGroups(benchmark::State& state) {
  const auto tasks = answers_of_a_method(1);
  for (auto _ : state) {
    TwoWayBootstrap bootstrap;
    for (std::size_t method = 0; method < kMethods; ++method) {
      const std::vector<TwoWayTask> ready(tasks.begin(), tasks.end());
      std::vector<const TwoWayTask*> pointers;
      for (const TwoWayTask& task : ready) pointers.push_back(&task);
      for (const Group& group : kGroups) {
        auto estimate = bootstrap.estimate(std::span(pointers).subspan(group.first, group.size));
        benchmark::DoNotOptimize(estimate);
      }
    }
  }
}

BENCHMARK(BM_ACallForEachGroup)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_SharedByAllGroups)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace crayon
