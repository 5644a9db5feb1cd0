#include "crayon/bench/method.h"

#include <fmt/format.h>

#include "crayon/base/error.h"
#include "crayon/base/nearest.h"

namespace crayon {

Matrix MethodInput::z() const {
  return whiten(pool.gate().whitening, scorer.embed(examples, pool.gate().embedding));
}

TaskWeights MethodInput::gate() const { return task_weights(pool.gate(), z()); }

std::vector<BlendPart> MethodInput::parts(std::span<const float> weights) const {
  std::vector<BlendPart> found;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    found.push_back({pool.adapters()[i], weights[i]});
  }
  return found;
}

Adapter MethodInput::on_shared(Adapter merged, std::span<const float> weights) const {
  if (pool.shared() == nullptr) return merged;
  const BlendPart parts[] = {{merged, 1.0f}, {*pool.shared(), shared_weight(pool.gate(), weights)}};
  return blend(parts).adapter;
}

std::vector<int> MethodInput::answers() const {
  std::vector<int> found;
  for (const BenchRow& row : examples) found.push_back(*row.example.answer);
  return found;
}

Rng MethodInput::rng(const std::string& purpose) const {
  return Rng(seed, purpose + hash_rows(examples));
}

std::string to_string(Method::Sees sees) {
  switch (sees) {
    case Method::Sees::Nothing:
      return "nothing";
    case Method::Sees::Texts:
      return "texts";
    case Method::Sees::Labels:
      return "labels";
    case Method::Sees::Training:
      break;
  }
  return "training";
}

const Method& find_method(const std::string& name) {
  std::vector<std::string> known;
  for (const Method* method : all_methods()) {
    if (method->name == name) return *method;
    known.emplace_back(method->name);
  }
  auto near = nearest_names(name, known);
  if (near.empty()) near = known;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("unknown method '{}'; did you mean {}?", name, fmt::join(near, ", ")));
}

std::vector<const Method*> find_methods(const std::vector<std::string>& names) {
  std::vector<const Method*> found;
  for (const std::string& name : names) {
    if (name == "all") return {all_methods().begin(), all_methods().end()};
    found.push_back(&find_method(name));
  }
  return found;
}

}  // namespace crayon
