#include "crayon/session/make_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/formats/base_model.h"

namespace crayon {
namespace {

Error invalid(const std::string& what) { return {ErrorCode::InvalidArgument, what}; }

Matrix embed(Engine& engine, std::span<const RenderedPrompt> prompts, const EmbeddingSpec& spec,
             const OnProgress& on_progress) {
  return engine.embed(prompts, spec, [&](std::size_t i) {
    throw_if_interrupted();
    if (on_progress) on_progress({"embed", i + 1, prompts.size()});
  });
}

/// Directions that fewer prompts span than there are would be noise.
void check_prompts(std::size_t prompts, std::size_t dims, const std::string& todo) {
  if (prompts > dims) return;
  throw invalid(
      fmt::format("{} prompts for a whitening of {} directions; expected more prompts "
                  "than directions, so {}",
                  prompts, dims, todo));
}

void check_range(const std::string& what, std::size_t found, std::size_t least, std::size_t most,
                 const BaseModel& base) {
  if (found >= least && found <= most) return;
  throw invalid(
      fmt::format("{} {}; expected {} to {} for base '{}'", what, found, least, most, base.name));
}

void check_pool_base(const Pool& pool, const Model& model) {
  (void)check_base(pool.manifest().base, model.base(),
                   fmt::format("pool '{}'", pool.folder().string()));
}

double cosine_of(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

/// What the gate gives to its last key, on average.
double last_weight(const Gate& gate, const Matrix& z) {
  double sum = 0;
  for (std::size_t k = 0; k < z.rows; ++k) sum += double{gate_weights(gate, z.row(k)).back()};
  return sum / static_cast<double>(z.rows);
}

}  // namespace

PoolEdit make_empty_pool(const Model& model, Engine& engine, std::span<const Example> examples,
                         const NewPoolOptions& options, const OnProgress& on_progress) {
  const BaseModel& base = model.base();
  const auto layers = static_cast<std::size_t>(base.n_layers);
  check_format(options.prompt);
  check_range("embedding layer", static_cast<std::size_t>(options.embedding.layer), 0, layers - 1,
              base);
  check_range("first adapted layer", static_cast<std::size_t>(options.first_layer), 0, layers - 1,
              base);
  check_range("dims", options.dims, 1, static_cast<std::size_t>(base.d_model), base);
  check_prompts(examples.size(), options.dims, "give more, or lower --dims");

  const auto prompts = render_all(model, options.prompt, examples);
  const Matrix h = embed(engine, prompts, options.embedding, on_progress);
  Gate gate;
  gate.embedding = options.embedding;
  gate.whitening = fit_whitening(h, options.dims);
  gate.keys = Matrix(0, options.dims);
  gate.temperature = options.temperature;
  gate.max_tilt = 1;
  gate.modulated = false;
  gate.reference = whiten(gate.whitening, h.part(0, std::min(options.reference, h.rows)));

  PoolManifest manifest;
  manifest.name = options.name;
  manifest.base = base;
  manifest.first_layer = options.first_layer;
  manifest.prompt = options.prompt;
  manifest.training_json = fmt::format(R"({{"made_from":"prompts","prompts":{}}})", h.rows);
  return empty_pool(std::move(manifest), gate);
}

KeyFit fit_key(const Pool& pool, const Model& model, Engine& engine,
               std::span<const Example> examples, const OnProgress& on_progress) {
  check_pool_base(pool, model);
  if (examples.empty()) throw invalid("0 examples for a key; give at least one");
  const Gate& gate = pool.gate();
  const auto prompts = render_all(model, pool.manifest().prompt, examples);
  KeyFit fit;
  fit.z = whiten(gate.whitening, embed(engine, prompts, gate.embedding, on_progress));
  fit.key = key_of(fit.z);
  Gate with = gate;
  with.keys.rows += 1;
  with.keys.cols = fit.key.size();
  with.keys.data.insert(with.keys.data.end(), fit.key.begin(), fit.key.end());
  fit.own_weight = last_weight(with, fit.z);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double cosine = cosine_of(gate.keys.row(i), fit.key);
    if (!fit.nearest.empty() && cosine <= fit.cosine) continue;
    fit.nearest = pool.manifest().adapters[i].name;
    fit.cosine = cosine;
  }
  return fit;
}

Gate refit_gate(const Pool& first, const Pool& second, const Model& model, Engine& engine,
                std::span<const Example> examples, const OnProgress& on_progress) {
  check_pool_base(first, model);
  check_pool_base(second, model);
  const Gate& a = first.gate();
  const Gate& b = second.gate();
  check_prompts(examples.size(), a.keys.cols, "give prompts of more of both pools' tasks");
  const auto prompts = render_all(model, first.manifest().prompt, examples);
  const Matrix h = embed(engine, prompts, a.embedding, on_progress);
  const Matrix h_b =
      a.embedding == b.embedding ? h : embed(engine, prompts, b.embedding, on_progress);

  Gate gate = a;
  gate.even.clear();
  gate.whitening = fit_whitening(h, a.keys.cols);
  const Matrix z = whiten(gate.whitening, h);
  gate.reference = z.part(0, std::min(std::max<std::size_t>(a.reference.rows, 2), z.rows));
  gate.keys = move_keys(a, whiten(a.whitening, h), z);
  const Matrix keys_b = move_keys(b, whiten(b.whitening, h_b), z);
  gate.keys.rows += keys_b.rows;
  gate.keys.data.insert(gate.keys.data.end(), keys_b.data.begin(), keys_b.data.end());
  return gate;
}

ScopeModel fit_pool_scope(const Pool& pool, const Model& model, Engine& engine,
                          std::span<const std::vector<Example>> sets, std::uint64_t seed,
                          const OnProgress& on_progress) {
  check_pool_base(pool, model);
  std::vector<RenderedPrompt> prompts;
  for (const auto& set : sets) {
    for (RenderedPrompt& one : render_all(model, pool.manifest().prompt, set)) {
      prompts.push_back(std::move(one));
    }
  }
  const Gate& gate = pool.gate();
  const Matrix z = whiten(gate.whitening, embed(engine, prompts, gate.embedding, on_progress));
  std::vector<Matrix> of_sets;
  std::size_t begin = 0;
  for (const auto& set : sets) {
    of_sets.push_back(z.part(begin, set.size()));
    begin += set.size();
  }
  ScopeModel fitted = fit_scope_model(of_sets, seed);
  if (fitted.empty()) {
    throw invalid("no set of at least 12 examples; give more examples of each kind of task");
  }
  return fitted;
}

}  // namespace crayon
