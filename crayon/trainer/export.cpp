#include "crayon/trainer/internal/export.h"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "crayon/pool/pool.h"
#include "crayon/trainer/internal/work_share.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kExamples = 32;  // of a user's task, as the calibration is to be used with

std::string all_licences(const TrainConfig& config) {
  std::set<std::string> licences;
  for (const TrainSet& set : config.sets) licences.insert(set.licence);
  std::string text;
  for (const auto& licence : licences) text += (text.empty() ? "" : ", ") + licence;
  return text;
}

Json describe_validation(const TrainValidation& v) {
  const auto rounded = [](double x) { return std::round(x * 1e6) / 1e6; };
  const auto side = [&](double accuracy, double error) {
    return Json{{"accuracy", rounded(accuracy)}, {"standard_error", rounded(error)}};
  };
  return {{"set", v.set},
          {"n", v.n},
          {"base", side(v.base, v.base_error)},
          {"even", side(v.even, v.even_error)},
          {"tilted", side(v.tilted, v.tilted_error)}};
}

std::string training_json(const TrainConfig& config, const Checkpoint& run,
                          std::span<const ItemSet> sets) {
  Json data = Json::array();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    data.push_back({{"name", sets[i].name},
                    {"licence", config.sets[i].licence},
                    {"weight", config.sets[i].weight},
                    {"items", sets[i].train.size()},
                    {"sha256", sets[i].sha256}});
  }
  Json validation = Json::array();
  for (const auto& v : run.validation) validation.push_back(describe_validation(v));
  return Json{{"seed", config.train.seed},      {"steps", run.step},    {"samples", run.samples},
              {"number_type", run.number_type}, {"config", run.config}, {"data", data},
              {"validation", validation}}
      .dump();
}

}  // namespace

Gate make_gate(const TrainConfig& config, const Whitening& whitening, const Matrix& keys,
               const Matrix& reference) {
  Gate gate;
  gate.embedding = config.gate.embedding;
  gate.whitening = whitening;
  gate.keys = keys;
  gate.temperature = static_cast<float>(config.gate.temperature);
  gate.max_tilt = config.gate.modulated ? static_cast<float>(config.gate.max_tilt) : 1.0f;
  gate.modulated = config.gate.modulated;
  gate.reference = reference;
  gate.shared_least = static_cast<float>(config.gate.shared_least);
  // Beside a shared adapter w = a g: an unfamiliar task gets that adapter alone.
  if (config.pool.shared_rank > 0) {
    gate.modulated = true;
    gate.even.assign(keys.rows, 0.0f);
  }
  return gate;
}

GenericModels fit_generic_models(const ValidationInputs& in, const Gate& gate,
                                 std::span<const ItemSet> sets, std::ostream& notes) {
  const torch::NoGradGuard no_gradients;
  std::vector<Matrix> embeddings;
  std::vector<ChoiceSignals> signals;
  std::vector<std::uint8_t> right;
  std::vector<double> guess;
  for (const ItemSet& set : sets) {
    const auto items =
        validation_items(set, static_cast<std::size_t>(in.config.train.calibration_items));
    if (items.size() < 2) continue;
    const std::size_t k = std::min(kExamples, items.size() / 2);
    const Matrix z = whiten(gate.whitening, embed_together(in.cache, items, in.group));
    const TaskWeights task = task_weights(gate, z.part(0, k));
    embeddings.push_back(z);
    const torch::Tensor w = torch::tensor(task.weights).to(in.network.device());
    const Adapters adapters{in.learner.lora(), w, shared_weight(gate, task.weights)};
    const std::span<const TrainItem* const> others(items.begin() + static_cast<std::ptrdiff_t>(k),
                                                   items.end());
    const auto scores = score_together(in, others, &adapters);
    for (std::size_t i = 0; i < others.size(); ++i) {
      signals.push_back(choice_signals(scores[i]));
      right.push_back(is_right(*others[i], scores[i]));
      guess.push_back(guess_probability(scores[i].size()));
    }
    notes << fmt::format("{}: familiarity {:.2f}, tilt {:.2f}", set.name, task.familiarity,
                         task.tilt)
          << std::endl;
  }
  if (signals.empty()) return {};
  return {.calibration = fit_calibration(signals, right, Calibration{}, 10, guess),
          .scope = fit_scope_model(embeddings, in.config.train.seed)};
}

void export_pool(const ValidationInputs& in, const Gate& gate, const GenericModels& generic,
                 const BaseModel& base, const Checkpoint& run, std::span<const ItemSet> sets) {
  const TrainPoolConfig& pool = in.config.pool;
  PoolManifest manifest;
  manifest.name = pool.name;
  manifest.base = base;
  manifest.first_layer = pool.first_layer;
  manifest.prompt = in.config.prompt;
  manifest.calibration = generic.calibration;
  manifest.scope = generic.scope;
  manifest.training_json = training_json(in.config, run, sets);
  std::vector<Adapter> adapters;
  const auto entry = [&](const std::string& name, int rank) {
    PoolAdapterEntry one;
    one.name = name;
    one.file = fmt::format("adapters/{}.gguf", name);
    one.rank = rank;
    for (const ItemSet& set : sets) one.trained_on.push_back(set.name);
    one.licence = all_licences(in.config);
    return one;
  };
  for (int i = 0; i < pool.n_adapters; ++i) {
    adapters.push_back(in.learner.lora().export_adapter(i, base.id()));
    manifest.adapters.push_back(entry(fmt::format("a{}", i), pool.rank));
  }
  if (pool.shared_rank > 0) {
    adapters.push_back(in.learner.lora().export_shared(base.id()));
    manifest.shared.push_back(entry("shared", pool.shared_rank));
  }
  write_pool(pool.out, std::move(manifest), gate, adapters, true);
}

}  // namespace crayon
