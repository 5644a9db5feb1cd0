// arrow: spectral routing (arXiv 2405.11157), averaged to one set of weights for the task. The
// original routes every token at every matrix; here the inputs of the attention's matrices,
// averaged over an example's tokens, are routed, and the shares averaged over matrices and
// examples: one blend is what a task file can hold.
#include "crayon/adapter/arrow.h"

#include <cmath>
#include <numeric>

#include "crayon/bench/method.h"

namespace crayon {
namespace {

/// What the attention of a block reads: RMSNorm(h) times the norm's weights.
std::vector<float> attention_input(const Model& model, int layer, std::span<const float> h) {
  const auto norm = model.tensor("blk." + std::to_string(layer) + ".attn_norm.weight").data;
  const double epsilon =
      model.hyperparameter(model.base().architecture + ".attention.layer_norm_rms_epsilon");
  double square = 0;
  for (const float x : h) square += static_cast<double>(x) * static_cast<double>(x);
  const double scale = 1 / std::sqrt(square / static_cast<double>(h.size()) + epsilon);
  std::vector<float> input(h.size());
  for (std::size_t i = 0; i < h.size(); ++i) input[i] = static_cast<float>(scale * h[i] * norm[i]);
  return input;
}

/// Rows: the adapters' prototypes at one tensor; none where an adapter lacks it.
Matrix prototypes_at(const std::vector<std::vector<ArrowPrototype>>& all, const std::string& name) {
  std::vector<const ArrowPrototype*> found;
  for (const auto& of_one : all) {
    for (const ArrowPrototype& prototype : of_one) {
      if (prototype.name == name) found.push_back(&prototype);
    }
  }
  if (found.size() != all.size()) return {};
  Matrix rows(found.size(), found.front()->direction.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::ranges::copy(found[i]->direction, rows.row(i).begin());
  }
  return rows;
}

Prepared prepare(const MethodInput& input) {
  std::vector<std::vector<ArrowPrototype>> prototypes;
  for (const Adapter& a : input.pool.adapters()) prototypes.push_back(arrow_prototypes(a));
  const Model& model = input.scorer.model();
  std::vector<double> sums(input.pool.size());
  double n = 0;
  std::vector<int> layers(
      static_cast<std::size_t>(model.base().n_layers - input.pool.manifest().first_layer));
  std::iota(layers.begin(), layers.end(), input.pool.manifest().first_layer);
  const auto states = input.scorer.embed_layers(input.examples, layers, Pooling::Mean);
  for (std::size_t at_layer = 0; at_layer < layers.size(); ++at_layer) {
    const int layer = layers[at_layer];
    const Matrix& h = states[at_layer];
    for (const char* kind : {"attn_q", "attn_k", "attn_v"}) {
      const Matrix at =
          prototypes_at(prototypes, "blk." + std::to_string(layer) + "." + kind + ".weight");
      for (std::size_t k = 0; k < h.rows && at.rows > 0; ++k, ++n) {
        const auto shares = arrow_coefficients(at, attention_input(model, layer, h.row(k)));
        for (std::size_t i = 0; i < shares.size(); ++i) sums[i] += static_cast<double>(shares[i]);
      }
    }
  }
  std::vector<float> weights;
  for (const double sum : sums) weights.push_back(static_cast<float>(sum / std::max(n, 1.0)));
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(arrow) = {
    .name = "arrow",
    .order = 120,
    .summary = "spectral routing, averaged to one blend for the task",
    .sees = Method::Sees::Texts,
    .version = 2,
    .prepare = prepare,
};

}  // namespace crayon
