#include "crayon/bench/route/internal/route_data.h"

#include <algorithm>

namespace crayon {
namespace {

template <typename Map, typename Key>
auto find_or_null(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

RouteData::RouteData(const RouteRun& run, const RoutePlan& plan)
    : n_tasks_(run.tasks.size()), n_seeds_(plan.seeds.size()) {
  const auto task_of = [&](const std::string& name) {
    return static_cast<std::size_t>(std::ranges::find(run.tasks, name, &BenchTask::name) -
                                    run.tasks.begin());
  };
  const auto seed_of = [&](std::uint64_t seed) {
    return static_cast<std::size_t>(std::ranges::find(plan.seeds, seed) - plan.seeds.begin());
  };
  for (const DeviceResult& one : run.device) {
    device_[{task_of(one.task), seed_of(one.seed)}] = &one;
  }
  for (const ServerResult& one : run.server) {
    if (one.examples) {
      examples_[{one.server, task_of(one.task), seed_of(one.seed)}] = &one;
    } else {
      questions_[{one.server, task_of(one.task)}] = &one;
    }
  }
}

const DeviceResult* RouteData::device(std::size_t task, std::size_t seed) const {
  return find_or_null(device_, std::pair(task, seed));
}

const ServerResult* RouteData::questions(const std::string& server, std::size_t task) const {
  return find_or_null(questions_, std::pair(server, task));
}

const ServerResult* RouteData::examples(const std::string& server, std::size_t task,
                                        std::size_t seed) const {
  return find_or_null(examples_, std::tuple(server, task, seed));
}

std::vector<std::size_t> RouteData::device_tasks() const {
  std::vector<std::size_t> found;
  for (std::size_t t = 0; t < n_tasks_; ++t) {
    bool done = true;
    for (std::size_t s = 0; s < n_seeds_; ++s) done = done && device(t, s) != nullptr;
    if (done) found.push_back(t);
  }
  return found;
}

std::vector<std::size_t> RouteData::tasks(const std::string& server) const {
  std::vector<std::size_t> found = device_tasks();
  std::erase_if(found, [&](std::size_t t) {
    bool done = questions(server, t) != nullptr;
    for (std::size_t s = 0; s < n_seeds_; ++s) done = done && examples(server, t, s) != nullptr;
    return !done;
  });
  return found;
}

}  // namespace crayon
