// random-adapters: the gate's weights on adapters of the same shapes and norms, but of random
// directions: what is left when nothing that was learnt is used (arXiv 2602.12323).
#include <cmath>

#include "crayon/bench/method.h"

namespace crayon {
namespace {

double squared_norm_of_product(const LoraTensor& t) {
  // ||B A||^2 = sum_ij (B^T B)_ij (A A^T)_ij
  double sum = 0;
  for (std::size_t i = 0; i < t.rank(); ++i) {
    for (std::size_t j = 0; j < t.rank(); ++j) {
      double b = 0;
      double a = 0;
      for (std::size_t k = 0; k < t.b.rows; ++k) {
        b += static_cast<double>(t.b.at(k, i)) * static_cast<double>(t.b.at(k, j));
      }
      for (std::size_t k = 0; k < t.a.cols; ++k) {
        a += static_cast<double>(t.a.at(i, k)) * static_cast<double>(t.a.at(j, k));
      }
      sum += a * b;
    }
  }
  return sum;
}

Adapter randomised(Adapter adapter, Rng& rng) {
  for (LoraTensor& t : adapter.tensors) {
    const double wanted = squared_norm_of_product(t);
    for (float& x : t.a.data) x = static_cast<float>(rng.normal());
    for (float& x : t.b.data) x = static_cast<float>(rng.normal());
    const double factor = std::sqrt(wanted / squared_norm_of_product(t));
    for (float& x : t.b.data) x = static_cast<float>(static_cast<double>(x) * factor);
  }
  return adapter;
}

Prepared prepare(const MethodInput& input) {
  Rng rng = input.rng("random adapters");
  std::vector<Adapter> adapters;
  for (const Adapter& adapter : input.pool.adapters()) adapters.push_back(randomised(adapter, rng));
  const std::vector<float> weights = input.gate().weights;
  std::vector<float> all = weights;
  if (input.pool.shared() != nullptr) {
    adapters.push_back(randomised(*input.pool.shared(), rng));
    all.push_back(shared_weight(input.pool.gate(), weights));
  }
  Blender blender(std::move(adapters));
  return {.adapter = blender.blend(all).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(random_adapters) = {
    .name = "random-adapters",
    .order = 40,
    .summary = "the gate's weights on adapters of the same norms and random directions",
    .sees = Method::Sees::Texts,
    .version = 4,
    .prepare = prepare,
};

}  // namespace crayon
