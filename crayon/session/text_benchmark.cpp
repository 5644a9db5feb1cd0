// What scope adds to a free text's first token: read out of the pass over the prompt, and worked
// out in a pass of its own, beside the device's own answer without it. On a small model where it
// has been fetched, and on a thin random one of its width, whose pass is so short that what is read
// out of it can be seen.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "crayon/base/random.h"
#include "crayon/engine/engine.h"
#include "crayon/gate/scope.h"
#include "crayon/models/models.h"
#include "crayon/session/device.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

constexpr const char* kModel = "smollm2-135m-instruct";
constexpr std::size_t kExamples = 64;
constexpr std::size_t kWidth = 64;  // of z
constexpr std::size_t kPromptTokens = 184;

Matrix normal_rows(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix out(rows, cols);
  for (float& x : out.data) x = static_cast<float>(rng.normal());
  return out;
}

/// A task with scope whose adapter, of random numbers, begins where the embedding is read.
struct World {
  explicit World(bool thin) {
    thin = thin || !is_fetched(find_model(kModel));
    label = thin ? "a thin random model" : kModel;
    const auto file = thin ? folder.path() / "thin.gguf" : model_path(find_model(kModel));
    if (thin) {
      write_random_model(file, {.n_layers = 2, .d_model = 576, .n_heads = 9, .n_kv_heads = 3});
    }
    model = open_model(file, {.with_hash = false});
    engine = model->open_engine({.threads = 1});  // more would wait for each other in busy loops
    const BaseModel& base = model->base();
    const auto d = static_cast<std::size_t>(base.d_model);
    TaskInfo info;
    info.base = base;
    info.embedding = {base.n_layers / 2, Pooling::Last};
    info.whitening = {std::vector<float>(d), normal_rows(kWidth, d, 1)};
    info.scope_examples = whiten(info.whitening, normal_rows(kExamples, d, 2));
    task.info = info;
    task.first_layer = info.embedding.layer;
    const Adapter adapter = random_model_adapter({.n_layers = base.n_layers,
                                                  .d_model = base.d_model,
                                                  .n_heads = base.n_heads,
                                                  .n_kv_heads = base.n_kv_heads,
                                                  .d_ff = base.d_ff},
                                                 task.first_layer, 16, 3);
    const BlendPart part{adapter, 1.0f};
    engine->set_adapters({&part, 1});
    while (prompt_tokenizer(*model)(prompt.text).size() < kPromptTokens) prompt.text += " why";
  }

  TemporaryFolder folder;
  std::shared_ptr<Model> model;
  std::string label;
  std::unique_ptr<Engine> engine;
  OpenTask task;
  RenderedPrompt prompt;
};

/// Seconds of a way to the first token, a run each.
struct Times {
  std::vector<double> wall, cpu;

  void time(const std::function<void()>& run) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    run();
    cpu.push_back(static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// Median over the runs of what `a` took more than `b`, which stood beside it.
double median_difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> more;
  std::ranges::transform(a, b, std::back_inserter(more), std::minus<>());
  return median(more);
}

/// The three ways take turns, so that what else the machine does strikes all of them; CPU time is
/// what to look at where it does much.
void BM_FirstTokenWithScope(benchmark::State& state) {
  World world(state.range(0) == 1);
  const TaskOnDevice task(*world.model, world.task);
  const TaskInfo& info = *world.task.info;
  const Scope scope(info.scope_examples, info.scope);
  double told = -1;
  double apart = -1;
  const GenerateOptions one{.max_tokens = 1};
  const GenerateOptions telling = task.telling_scope(one, [&](double p) { told = p; });
  const auto generate = [&](const GenerateOptions& options) {
    benchmark::DoNotOptimize(world.engine->generate(world.prompt.text, options));
  };
  const std::function<void()> ways[] = {[&] { generate(one); }, [&] { generate(telling); },
                                        [&] {
                                          const Matrix h = world.engine->embed(
                                              std::span(&world.prompt, 1), info.embedding);
                                          apart = scope.p_value(whiten(info.whitening, h.row(0)));
                                          generate(one);
                                        }};
  generate(one);  // the first pass plans its buffers
  Times times[3];
  std::size_t turn = 0;
  for (auto _ : state) {
    for (std::size_t k = 0; k < 3; ++k) times[(turn + k) % 3].time(ways[(turn + k) % 3]);
    ++turn;
  }
  if (std::abs(told - apart) > 1e-6) return state.SkipWithError("the two scopes differ");
  const char* names[] = {"plain", "with_scope", "scope_apart"};
  for (std::size_t k = 0; k < 3; ++k) {
    state.counters[std::string(names[k]) + "_ms"] = 1e3 * median(times[k].wall);
    state.counters[std::string(names[k]) + "_cpu_ms"] = 1e3 * median(times[k].cpu);
  }
  for (std::size_t k = 1; k < 3; ++k) {
    state.counters[std::string(names[k]) + "_adds_cpu_ms"] =
        1e3 * median_difference(times[k].cpu, times[0].cpu);
  }
  state.SetLabel(world.label);
  state.SetItemsProcessed(3 * state.iterations());  // answers per second
}
BENCHMARK(BM_FirstTokenWithScope)->ArgName("thin")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace crayon
