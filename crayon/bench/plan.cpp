#include "crayon/bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "crayon/base/error.h"
#include "crayon/base/nearest.h"
#include "crayon/bench/internal/toml_reader.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

BenchGrid read_grid(const fs::path& file, const toml::table& table) {
  const TomlReader reader(file, table);
  reader.only({"methods", "k", "seeds"});
  BenchGrid grid{
      .methods = find_methods(reader.list<std::string>("methods")), .k = {}, .seeds = {}};
  for (const auto k : reader.list<std::int64_t>("k")) {
    if (k < 1 || k > 4096) reader.refuse(fmt::format("k = {}; expected 1 to 4096", k));
    grid.k.push_back(static_cast<std::size_t>(k));
  }
  for (const auto seed : reader.list<std::int64_t>("seeds")) {
    if (seed < 0) reader.refuse(fmt::format("seed {}; expected 0 or more", seed));
    grid.seeds.push_back(static_cast<std::uint64_t>(seed));
  }
  return grid;
}

}  // namespace

void keep_tasks(BenchPlan& plan, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const TaskEntry& task : plan.tasks) known.push_back(task.name);
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    auto near = nearest_names(name, known);
    if (near.empty()) near = known;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("unknown task '{}'; did you mean {}?", name, fmt::join(near, ", ")));
  }
  std::erase_if(plan.tasks, [&](const TaskEntry& task) {
    return std::ranges::find(names, task.name) == names.end();
  });
}

std::optional<TensorType> parse_number_type(const std::string& name) {
  if (name == "file") return std::nullopt;
  try {
    return parse_tensor_type(name);
  } catch (const Error&) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("number type '{}': unknown; expected file, f32, f16, bf16 or q8_0", name));
  }
}

std::string number_type_name(const std::optional<TensorType>& type) {
  return type ? to_string(*type) : "file";
}

BenchPlan read_plan(const fs::path& file) {
  const toml::table root = parse_toml(file);
  const TomlReader reader(file, root);
  reader.only({"tasks", "only", "questions", "scoring", "number_type", "grid"});
  BenchPlan plan;
  const auto tasks = reader.value<std::string>("tasks");
  if (!tasks) reader.refuse("no 'tasks'; expected the name of a task list");
  plan.tasks = read_task_list(file.parent_path() / *tasks);
  if (root.contains("only")) keep_tasks(plan, reader.list<std::string>("only"));
  const auto questions = reader.value<std::int64_t>("questions").value_or(150);
  if (questions < 0) reader.refuse(fmt::format("questions = {}; expected 0 or more", questions));
  plan.questions = static_cast<std::size_t>(questions);
  plan.scoring = parse_scoring(reader.value<std::string>("scoring").value_or("mean"));
  plan.number_type = parse_number_type(reader.value<std::string>("number_type").value_or("file"));
  const toml::array* grids = root["grid"].as_array();
  if (grids == nullptr || !grids->is_array_of_tables()) reader.refuse("no [[grid]]");
  for (const toml::node& grid : *grids) plan.grids.push_back(read_grid(file, *grid.as_table()));
  return plan;
}

std::vector<BenchCell> cells_of(const BenchPlan& plan) {
  std::vector<BenchCell> cells;
  std::set<std::tuple<std::size_t, std::string, std::size_t, std::uint64_t>> seen;
  const auto add = [&](std::size_t task, const Method* method, std::size_t k, std::uint64_t seed) {
    if (seen.emplace(task, method->name, k, seed).second) cells.push_back({task, method, k, seed});
  };
  std::size_t most_seeds = 0;
  for (const BenchGrid& grid : plan.grids) most_seeds = std::max(most_seeds, grid.seeds.size());
  for (std::size_t s = 0; s < most_seeds; ++s) {
    for (const BenchGrid& grid : plan.grids) {
      if (s >= grid.seeds.size()) continue;
      for (std::size_t task = 0; task < plan.tasks.size(); ++task) {
        for (const std::size_t k : grid.k) {
          for (const Method* method : grid.methods) add(task, method, k, grid.seeds[s]);
        }
      }
    }
  }
  return cells;
}

}  // namespace crayon
