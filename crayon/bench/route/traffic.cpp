#include "crayon/bench/route/traffic.h"

#include <algorithm>

#include "crayon/base/random.h"

namespace crayon {
namespace {

std::vector<MixedRow> all_questions(const std::vector<BenchTask>& tasks,
                                    const std::vector<std::size_t>& of, bool near) {
  std::vector<MixedRow> rows;
  for (const std::size_t t : of) {
    for (std::size_t q = 0; q < tasks[t].questions.size(); ++q) rows.push_back({t, q, near});
  }
  return rows;
}

}  // namespace

Neighbours neighbours_of(const std::vector<std::string>& families, std::size_t task) {
  Neighbours found;
  for (std::size_t t = 0; t < families.size(); ++t) {
    if (t == task) continue;
    const bool near = !families[task].empty() && families[t] == families[task];
    (near ? found.near : found.far).push_back(t);
  }
  return found;
}

std::vector<std::string> families_of(const RoutePlan& plan) {
  std::vector<std::string> families;
  for (const TaskEntry& task : plan.tasks) {
    const auto found = plan.families.find(task.name);
    families.push_back(found == plan.families.end() ? "" : found->second);
  }
  return families;
}

std::vector<MixedRow> draw_mixed(const std::vector<BenchTask>& tasks,
                                 const std::vector<std::string>& families, std::size_t task) {
  const Neighbours others = neighbours_of(families, task);
  std::vector<MixedRow> mixed;
  std::vector<MixedRow> kinds[] = {all_questions(tasks, others.near, true),
                                   all_questions(tasks, others.far, false)};
  const std::size_t each =
      std::min({tasks[task].questions.size() / 2, kinds[0].size(), kinds[1].size()});
  Rng rng(1, "bench mixed traffic of " + tasks[task].name);
  for (auto& rows : kinds) {
    rng.shuffle(rows);
    mixed.insert(mixed.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(each));
  }
  return mixed;
}

}  // namespace crayon
