#include "crayon/bench/route/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/bench/internal/toml_reader.h"
#include "crayon/bench/plan.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, "plan: " + message);
}

/// A whole number, where the file has one.
void read_count(const TomlReader& reader, const char* key, std::size_t& to) {
  const auto found = reader.value<std::int64_t>(key);
  if (!found) return;
  if (*found < 0) reader.refuse(fmt::format("{} = {}; expected 0 or more", key, *found));
  to = static_cast<std::size_t>(*found);
}

template <typename T>
std::vector<T> counts(const TomlReader& reader, const char* key) {
  std::vector<T> found;
  for (const auto n : reader.list<std::int64_t>(key)) {
    if (n < 0) reader.refuse(fmt::format("{} holds {}; expected 0 or more", key, n));
    found.push_back(static_cast<T>(n));
  }
  return found;
}

void read_families(const fs::path& file, const toml::table& root, RoutePlan& plan) {
  const TomlReader reader(file, root);
  const toml::node* node = root.get("families");
  if (node == nullptr) return;
  const toml::table* families = node->as_table();
  if (families == nullptr) {
    reader.refuse("'families' is no table; expected NAME = [\"task\", ...]", node);
  }
  const TomlReader of_families(file, *families);
  for (const auto& [key, tasks] : *families) {
    const std::string family(key.str());
    for (const std::string& task : of_families.list<std::string>(family.c_str())) {
      const bool known = std::ranges::find(plan.tasks, task, &TaskEntry::name) != plan.tasks.end();
      if (!known) {
        of_families.refuse(fmt::format("family '{}' names '{}', which is no task", family, task),
                           &tasks);
      }
      if (!plan.families.emplace(task, family).second) {
        of_families.refuse(fmt::format("task '{}' is in two families", task), &tasks);
      }
    }
  }
}

}  // namespace

void keep_tasks(RoutePlan& plan, const std::vector<std::string>& names) {
  BenchPlan tasks;
  tasks.tasks = std::move(plan.tasks);
  keep_tasks(tasks, names);
  plan.tasks = std::move(tasks.tasks);
}

void check_route_plan(const RoutePlan& plan) {
  require(!plan.tasks.empty(), "no task; expected at least one");
  require(!plan.seeds.empty(), "no seed; expected at least one");
  for (const std::uint64_t seed : plan.seeds) {
    require(std::ranges::count(plan.seeds, seed) == 1,
            fmt::format("seed {} is there more than once; expected each once", seed));
  }
  require(plan.k >= 4 && plan.k <= 4096, fmt::format("k = {}; expected 4 to 4096", plan.k));
  require(plan.resamples > 0, "0 resamples; expected at least one");
  require(
      plan.risk_resamples > 1,
      fmt::format("{} draws of calibration examples; expected at least 2", plan.risk_resamples));
  for (const double share : plan.shares) {
    require(share >= 0 && share <= 1, fmt::format("share {}; expected 0 to 1", share));
  }
  for (const double risk : plan.risks) {
    require(risk > 0 && risk < 1, fmt::format("risk {}; expected a number between 0 and 1", risk));
  }
  for (const std::size_t n : plan.scope_examples) {
    require(n >= 2, fmt::format("scope from {} examples; expected at least 2", n));
  }
}

RoutePlan read_route_plan(const fs::path& file) {
  const toml::table root = parse_toml(file);
  const TomlReader reader(file, root);
  reader.only({"tasks", "only", "questions", "k", "seeds", "number_type", "pool", "servers",
               "shares", "risks", "scope_examples", "resamples", "risk_resamples", "families"});
  RoutePlan plan;
  const auto tasks = reader.value<std::string>("tasks");
  if (!tasks) reader.refuse("no 'tasks'; expected the name of a task list");
  plan.tasks = read_task_list(file.parent_path() / *tasks);
  read_families(file, root, plan);
  if (root.contains("only")) keep_tasks(plan, reader.list<std::string>("only"));
  read_count(reader, "questions", plan.questions);
  read_count(reader, "k", plan.k);
  read_count(reader, "resamples", plan.resamples);
  read_count(reader, "risk_resamples", plan.risk_resamples);
  if (root.contains("seeds")) plan.seeds = counts<std::uint64_t>(reader, "seeds");
  if (root.contains("scope_examples")) {
    plan.scope_examples = counts<std::size_t>(reader, "scope_examples");
  }
  if (root.contains("shares")) plan.shares = reader.list<double>("shares");
  if (root.contains("risks")) plan.risks = reader.list<double>("risks");
  if (root.contains("servers")) plan.servers = reader.list<std::string>("servers");
  plan.number_type = parse_number_type(reader.value<std::string>("number_type").value_or("file"));
  if (const auto pool = reader.value<std::string>("pool")) {
    plan.pool = (file.parent_path() / *pool).lexically_normal();
  }
  check_route_plan(plan);
  return plan;
}

}  // namespace crayon
