#include "crayon/bench/internal/bench_world_test.h"

#include <fmt/format.h>

#include "crayon/base/files.h"

namespace crayon {
namespace {

std::string rows(const std::string& word) {
  std::string lines;
  for (int k = 0; k < 12; ++k) {
    lines += fmt::format(
        R"({{"id":"{0}{1}","question":"{0} {1} ok","choices":["yes","no","maybe"],"answer":{2}}})",
        word, k, (k / 2) % 3);
    lines += "\n";
  }
  return lines;
}

Pool make_pool(const BenchWorld& world, std::size_t adapters) {
  write_random_model(world.path("model.gguf"));
  write_random_pool(world.path("model.gguf"), world.path("pool"), adapters);
  return Pool::open(world.path("pool"));
}

}  // namespace

BenchWorld::BenchWorld(std::size_t adapters) : pool_(make_pool(*this, adapters)) {
  model_ = open_model(path("model.gguf"));
  engine_ =
      model_->open_engine({.threads = 1, .context_tokens = 128, .reuse_from = 16, .splits = true});
  write("near.jsonl", rows("near"));
  write("far.jsonl", rows("far"));
  write("tasks.toml",
        "[tasks]\nnear = { data = \"near.jsonl\", kind = \"near\" }\n"
        "far = { data = \"far.jsonl\", kind = \"far\" }\n");
}

void BenchWorld::write(const std::string& name, const std::string& text) const {
  write_atomically(path(name), std::string_view(text));
}

BenchPlan BenchWorld::plan(const std::vector<std::string>& methods, std::vector<std::size_t> k,
                           std::vector<std::uint64_t> seeds) const {
  BenchPlan plan;
  plan.tasks = read_task_list(path("tasks.toml"));
  BenchGrid grid{.methods = {}, .k = std::move(k), .seeds = std::move(seeds)};
  for (const std::string& name : methods) grid.methods.push_back(&find_method(name));
  plan.grids.push_back(std::move(grid));
  return plan;
}

BenchRun BenchWorld::run(const BenchPlan& plan, const std::string& work, const BenchTools& tools,
                         const OnCell& on_cell, RunOptions options) {
  const ResultStore store(path(work));
  options.context_tokens = 128;
  return run_bench(plan, pool_, *model_, *engine_, tools, store, options, on_cell);
}

}  // namespace crayon
