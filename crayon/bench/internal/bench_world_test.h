// For tests of this part: a tiny random model, a pool of random adapters and two tasks.
#pragma once

#include <memory>
#include <string>

#include "crayon/bench/plan.h"
#include "crayon/bench/run.h"
#include "crayon/testing/random.h"

namespace crayon {

[[nodiscard]] inline BenchRow make_row(const std::string& id, const std::string& question,
                                       const std::vector<std::string>& choices, int answer) {
  BenchRow row;
  row.example.id = id;
  row.example.question = question;
  row.example.choices = choices;
  row.example.answer = answer;
  return row;
}

class BenchWorld {
 public:
  explicit BenchWorld(std::size_t adapters = 3);
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return folder_.path() / name;
  }
  void write(const std::string& name, const std::string& text) const;
  /// near.jsonl and far.jsonl: 12 rows each, with the labels yes, no, maybe. tasks.toml names them.
  [[nodiscard]] BenchPlan plan(const std::vector<std::string>& methods,
                               std::vector<std::size_t> k = {4},
                               std::vector<std::uint64_t> seeds = {1, 2}) const;
  /// Runs a plan with what was worked out before in folder `work`.
  [[nodiscard]] BenchRun run(const BenchPlan& plan, const std::string& work,
                             const BenchTools& tools = {}, const OnCell& on_cell = {},
                             RunOptions options = {});

  [[nodiscard]] Pool& pool() { return pool_; }
  [[nodiscard]] const Model& model() const { return *model_; }
  [[nodiscard]] Engine& engine() { return *engine_; }

 private:
  TemporaryFolder folder_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
  Pool pool_;
};

}  // namespace crayon
