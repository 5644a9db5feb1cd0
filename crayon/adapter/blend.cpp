#include "crayon/adapter/blend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/adapter/internal/group.h"
#include "crayon/adapter/internal/low_rank.h"
#include "crayon/base/error.h"

namespace crayon {
namespace {

using internal::Factors;
using internal::TensorGroup;

void check_request(std::span<const float> weights, const BlendOptions& options) {
  if (weights.empty()) {
    throw Error(ErrorCode::InvalidArgument, "blend: 0 adapters; expected at least one");
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (std::isfinite(weights[i])) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("blend: weight {} of {} is {}; expected a finite number", i,
                            weights.size(), weights[i]));
  }
  if (options.mode == BlendMode::LowRank && options.rank < 1) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("blend: rank {}; expected at least 1", options.rank));
  }
}

/// w times scale for each member. A product that overflows is refused in check_finite().
std::vector<float> member_factors(const TensorGroup& group, std::span<const float> weights) {
  std::vector<float> factors;
  for (const auto& member : group.members) {
    factors.push_back(weights[member.part] * member.tensor->scale);
  }
  return factors;
}

/// The same for each of the R columns, and how many of them count.
struct Columns {
  std::vector<double> factors;
  std::size_t active = 0;
};
Columns column_factors(const TensorGroup& group, std::span<const float> weights) {
  Columns columns;
  for (const auto& member : group.members) {
    const double factor = double{weights[member.part]} * double{member.tensor->scale};
    columns.factors.insert(columns.factors.end(), member.tensor->rank(), factor);
    if (factor != 0) columns.active += member.tensor->rank();
  }
  return columns;
}

double relative(double squared_error, double squared_norm) {
  return squared_norm > 0 ? std::sqrt(squared_error / squared_norm) : 0.0;
}

void check_finite(const Adapter& blended) {
  try {
    check_adapter(blended);
  } catch (const Error& e) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("blend: the weights are too large for float32: {}", e.what()));
  }
}

Blend blend_exact(std::span<const TensorGroup> groups, std::span<const float> weights) {
  Blend result;
  for (const TensorGroup& group : groups) {
    internal::Stacked all = stack(group, member_factors(group, weights));
    result.adapter.tensors.push_back({group.name, std::move(all.a), std::move(all.b), 1.0f});
    result.errors.push_back({group.name, 0.0});
  }
  return result;
}

Blend blend_low_rank(std::span<const TensorGroup> groups, std::span<const Factors> factors,
                     std::span<const float> weights, std::size_t rank) {
  Blend result;
  double squared_error = 0;
  double squared_norm = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Columns columns = column_factors(groups[i], weights);
    const std::size_t least = std::max<std::size_t>(1, std::min(rank, columns.active));
    internal::LowRank low = truncate(factors[i], columns.factors, least);
    squared_error += low.squared_error;
    squared_norm += low.squared_norm;
    result.errors.push_back({groups[i].name, relative(low.squared_error, low.squared_norm)});
    result.adapter.tensors.push_back({groups[i].name, std::move(low.a), std::move(low.b), 1.0f});
  }
  result.relative_error = relative(squared_error, squared_norm);
  return result;
}

std::vector<Factors> factorize_all(std::span<const TensorGroup> groups) {
  std::vector<Factors> factors;
  factors.reserve(groups.size());
  for (const TensorGroup& group : groups) factors.push_back(internal::factorize(group));
  return factors;
}

std::vector<TensorGroup> checked_groups(std::span<const Adapter* const> adapters) {
  for (const Adapter* adapter : adapters) check_adapter(*adapter);
  return internal::group_tensors(adapters);
}

Blend finish(Blend blended, const std::string& base_id) {
  blended.adapter.base_id = base_id;
  check_finite(blended.adapter);
  return blended;
}

}  // namespace

BlendMode parse_blend_mode(const std::string& name) {
  if (name == "exact") return BlendMode::Exact;
  if (name == "lowrank") return BlendMode::LowRank;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("blend mode '{}'; expected 'exact' or 'lowrank'", name));
}

std::string to_string(BlendMode mode) { return mode == BlendMode::Exact ? "exact" : "lowrank"; }

Blend blend(std::span<const BlendPart> parts, const BlendOptions& options) {
  std::vector<float> weights;
  std::vector<const Adapter*> adapters;
  for (const BlendPart& part : parts) {
    weights.push_back(part.weight);
    adapters.push_back(&part.adapter);
  }
  check_request(weights, options);
  const auto groups = checked_groups(adapters);
  if (options.mode == BlendMode::Exact) {
    return finish(blend_exact(groups, weights), adapters.front()->base_id);
  }
  const auto factors = factorize_all(groups);
  return finish(blend_low_rank(groups, factors, weights, static_cast<std::size_t>(options.rank)),
                adapters.front()->base_id);
}

struct Blender::Impl {
  std::vector<Adapter> adapters;
  std::vector<TensorGroup> groups;  ///< Borrow from `adapters`, which never change.
  std::vector<Factors> factors;     ///< Empty until the first low-rank blend.
};

Blender::Blender(std::vector<Adapter> adapters) : impl_(std::make_unique<Impl>()) {
  if (adapters.empty()) {
    throw Error(ErrorCode::InvalidArgument, "blend: 0 adapters; expected at least one");
  }
  impl_->adapters = std::move(adapters);
  std::vector<const Adapter*> borrowed;
  for (const Adapter& adapter : impl_->adapters) borrowed.push_back(&adapter);
  impl_->groups = checked_groups(borrowed);
}

Blender::~Blender() = default;
Blender::Blender(Blender&&) noexcept = default;
Blender& Blender::operator=(Blender&&) noexcept = default;

Blend Blender::blend(std::span<const float> weights, const BlendOptions& options) {
  check_request(weights, options);
  if (weights.size() != impl_->adapters.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("blend: {} weights for {} adapters; expected one for each",
                            weights.size(), impl_->adapters.size()));
  }
  const std::string& base_id = impl_->adapters.front().base_id;
  if (options.mode == BlendMode::Exact) {
    return finish(blend_exact(impl_->groups, weights), base_id);
  }
  if (impl_->factors.empty()) impl_->factors = factorize_all(impl_->groups);
  return finish(blend_low_rank(impl_->groups, impl_->factors, weights,
                               static_cast<std::size_t>(options.rank)),
                base_id);
}

const std::vector<Adapter>& Blender::adapters() const { return impl_->adapters; }

}  // namespace crayon
